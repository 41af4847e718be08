import { Match } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as sns from 'aws-cdk-lib/aws-sns';
import { props, synthesize } from './synthesize.ts';

describe('alarms', () => {
  const all = (changes = {}) => Object.values(synthesize(changes).template.findResources('AWS::CloudWatch::Alarm'));

  test('each pool has six, which say what they mean and notify the topic when they fire and clear', () => {
    const { template, workers } = synthesize((scope) => ({
      alarmTopics: [sns.Topic.fromTopicArn(scope, 'OnCall', 'arn:aws:sns:eu-west-1:123456789012:on-call')],
      runbookUrl: 'https://wiki.example.com/runbooks/',
    }));
    expect(workers.alarms).toHaveLength(12);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'TemporalElasticWorkers',
      AlarmDescription: Match.stringLikeRegexp(
        '^(fast|slow): .{40,} Runbook: https://wiki.example.com/runbooks/[a-z]+(-[a-z]+)*$',
      ),
      AlarmActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
      OKActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
    });
  });

  test('use only metrics of the essential set, for any image', () => {
    const pools = { ...props.pools, other: { taskQueue: 'o', image: ecs.ContainerImage.fromRegistry('o') } };
    const metrics = new Set(all({ pools }).map(({ Properties }) => Properties.MetricName));
    expect(metrics).toEqual(
      new Set([
        'WorkersDown',
        'Backlog',
        'ErrorRate',
        'ScheduleToStartSeconds',
        'DesiredTasks',
        'PinnedAtMax',
        'BacklogAgeSeconds',
      ]),
    );
  });

  test('fire at the given thresholds', () => {
    const alarmThresholds = {
      workerDownMinutes: 2,
      queueDepth: 7,
      queueDepthMinutes: 8,
      errorRatePercent: 9,
      latencySeconds: 11,
      latencyMinutes: 6,
      scalerDownMinutes: 4,
      pinnedAtMaxMinutes: 5,
    };
    const [pool = ''] = Object.keys(props.pools);
    const alarms = all({ alarmThresholds, pools: { [pool]: props.pools[pool] } }).map(({ Properties }) => [
      Properties.MetricName,
      Properties.ComparisonOperator,
      Properties.Threshold,
      Properties.EvaluationPeriods,
    ]);
    expect(alarms.toSorted()).toEqual([
      ['Backlog', 'GreaterThanThreshold', 7, 8],
      ['DesiredTasks', 'LessThanThreshold', 1, 4],
      ['ErrorRate', 'GreaterThanThreshold', 9, 1],
      ['PinnedAtMax', 'GreaterThanOrEqualToThreshold', 1, 5],
      ['ScheduleToStartSeconds', 'GreaterThanThreshold', 11, 6],
      ['WorkersDown', 'GreaterThanOrEqualToThreshold', 1, 2],
    ]);
  });
});
