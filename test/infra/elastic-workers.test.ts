import { App, Duration, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { ElasticWorkers } from '../../infra/elastic-workers.ts';
import type { ElasticWorkersProps } from '../../infra/props.ts';

const props: ElasticWorkersProps = {
  temporal: { address: 'temporal.example.com:7233', namespace: 'agents' },
  image: ecs.ContainerImage.fromRegistry('example/worker:1'),
  pools: {
    fast: { taskQueue: 'quick-response-queue', slotsPerTask: 20 },
    slow: {
      taskQueue: 'complex-analysis-queue',
      slotsPerTask: 5,
      minTasks: 1,
      maxTasks: 40,
      scaleInAfter: Duration.minutes(5),
    },
  },
};

function synthesize(changes: Partial<ElasticWorkersProps> = {}) {
  const stack = new Stack(new App(), 'Stack', { env: { account: '123456789012', region: 'eu-west-1' } });
  const workers = new ElasticWorkers(stack, 'Workers', { ...props, ...changes });
  return { stack, workers, template: Template.fromStack(stack) };
}

type Statement = { Action: string | string[]; Resource: unknown; Condition?: Record<string, Record<string, unknown>> };

function statements(template: Template): Statement[] {
  return Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    (policy) => policy.Properties.PolicyDocument.Statement as Statement[],
  );
}

describe('the services', () => {
  const { template } = synthesize();

  test('leave the count to the scaler: it is not in the template', () => {
    for (const service of Object.values(template.findResources('AWS::ECS::Service'))) {
      expect(service.Properties).not.toHaveProperty('DesiredCount');
    }
    template.resourceCountIs('AWS::ECS::Service', 2);
  });

  test('never drop below the healthy fleet in a deployment, and roll back a broken one', () => {
    template.allResourcesProperties('AWS::ECS::Service', {
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    });
  });

  test('give a worker the time to drain that it is told it has', () => {
    for (const task of Object.values(template.findResources('AWS::ECS::TaskDefinition'))) {
      const [container] = task.Properties.ContainerDefinitions;
      const drain = container.Environment.find(
        ({ Name }: { Name: string }) => Name === 'ELASTIC_WORKERS_DRAIN_SECONDS',
      );
      expect(Number(drain.Value)).toBeLessThan(container.StopTimeout);
      expect(container.StopTimeout).toBeLessThanOrEqual(120);
    }
  });

  test('need no NAT gateway, and nothing can call in', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    for (const group of Object.values(template.findResources('AWS::EC2::SecurityGroup'))) {
      expect(group.Properties).not.toHaveProperty('SecurityGroupIngress');
    }
  });
});

describe('the scaler', () => {
  const { template } = synthesize();

  test('is invoked each minute, one at a time, and never twice for one minute', () => {
    template.hasResourceProperties('AWS::Lambda::Function', { ReservedConcurrentExecutions: 1, Runtime: 'nodejs24.x' });
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0 });
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 minute)',
      Target: { RetryPolicy: { MaximumRetryAttempts: 0 } },
    });
  });

  test('finds each pool in a parameter that its own schema understands', () => {
    const parameters = Object.values(template.findResources('AWS::SSM::Parameter'));
    const pools = parameters.map(({ Properties }) => poolConfigSchema.parse(JSON.parse(joined(Properties.Value))));
    expect(pools.map(({ pool, policy }) => [pool, policy])).toEqual([
      ['fast', { slotsPerTask: 20 }],
      ['slow', { slotsPerTask: 5, minTasks: 1, maxTasks: 40, scaleInAfterSeconds: 300 }],
    ]);
  });

  test('may change its own two services and no other', () => {
    const update = statements(template).filter(({ Action }) => [Action].flat().includes('ecs:UpdateService'));
    expect(update).toHaveLength(1);
    expect(update[0]?.Resource).toEqual([
      { Ref: expect.stringContaining('fastService') },
      { Ref: expect.stringContaining('slowService') },
    ]);
  });
});

describe('rights', () => {
  const { template } = synthesize();

  test('a worker may read its own cordon and the scaler’s last tick, and nothing else of the table', () => {
    const reads = statements(template).filter(({ Action }) => Action === 'dynamodb:BatchGetItem');
    expect(reads).toHaveLength(2);
    for (const { Condition } of reads) {
      expect(Condition).toEqual({
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['${aws:userid}', 'scaler'] },
      });
    }
  });

  test('where no resource can be named, a condition is the limit', () => {
    const wide = statements(template).filter(({ Resource }) => Resource === '*');
    expect(wide.map(({ Action }) => Action).toSorted()).toEqual(
      ['cloudwatch:PutMetricData', 'cloudwatch:PutMetricData', 'cloudwatch:PutMetricData', 'ecs:ListTasks'].toSorted(),
    );
    for (const { Condition } of wide) expect(Object.keys(Condition ?? {})).toHaveLength(1);
  });
});

describe('alarms and dashboard', () => {
  test('each pool has its six alarms, which say what they mean and act when they fire and clear', () => {
    const action = { bind: () => ({ alarmActionArn: 'arn:aws:sns:eu-west-1:123456789012:on-call' }) };
    const { template, workers } = synthesize({ alarmActions: [action] });
    expect(workers.alarms).toHaveLength(12);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'TemporalElasticWorkers',
      AlarmDescription: Match.stringLikeRegexp('^(fast|slow): .{40,}'),
      AlarmActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
      OKActions: ['arn:aws:sns:eu-west-1:123456789012:on-call'],
    });
  });

  test('the dashboard has a row a pool', () => {
    const { template } = synthesize();
    const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
    const { widgets } = JSON.parse(joined(dashboard?.Properties.DashboardBody));
    expect(widgets.map(({ properties }: { properties: { title: string } }) => properties.title)).toEqual([
      'fast: waiting',
      'fast: tasks',
      'fast: slots',
      'fast: trouble',
      'slow: waiting',
      'slow: tasks',
      'slow: slots',
      'slow: trouble',
    ]);
  });
});

test('all mistakes are told at once, with the pool, the value and the mend', () => {
  const broken = () =>
    synthesize({
      pools: {
        'a b': { taskQueue: '' },
        upside: { taskQueue: 'q', minTasks: 5, maxTasks: 2, slotsPerTask: 0 },
        twin: { taskQueue: 'q' },
      },
    });
  expect(broken).toThrow(/pools upside, twin: share the task queue q/);
  expect(broken).toThrow(/pool a b: use letters/);
  expect(broken).toThrow(/pool a b: taskQueue is empty/);
  expect(broken).toThrow(/pool upside: slotsPerTask is 0; choose a whole number from 1/);
  expect(broken).toThrow(/pool upside: minTasks 5 is above maxTasks 2/);
});

/** A string of the template with its references replaced by their names. */
function joined(value: unknown): string {
  if (typeof value === 'string') return value;
  const [separator, parts] = (value as { 'Fn::Join': [string, unknown[]] })['Fn::Join'];
  return parts
    .map((part) => (typeof part === 'string' ? part : JSON.stringify(part).replaceAll('"', "'")))
    .join(separator);
}
