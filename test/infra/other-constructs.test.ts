import { Match } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import { emptyStack, synthesize } from './synthesize.ts';

describe('what other constructs use', () => {
  test('a pool’s metrics, with a warning for one that is not published', () => {
    const { stack, workers } = synthesize();
    expect(stack.resolve(workers.pool('fast').metricBacklog().toMetricConfig().metricStat)).toMatchObject({
      metricName: 'Backlog',
      namespace: 'TemporalElasticWorkers',
      dimensions: [
        { name: 'Pool', value: 'fast' },
        { name: 'Stack', value: 'StackWorkersBB84B11A' },
      ],
    });
    expect(workers.pool('fast').node.metadata).toEqual([]);
    workers.pool('fast').metricBusySlots();
    expect(workers.pool('fast').node.metadata).toMatchObject([{ type: 'aws:cdk:warning' }]);
    expect(() => workers.pool('fats')).toThrow('has no pool "fats"; it has fast, slow');
  });

  test('a pool may have any name, including that of another part', () => {
    const { workers } = synthesize({ pools: { Scaler: { taskQueue: 'a' }, Cluster: { taskQueue: 'b' } } });
    expect(workers.pools.map(({ poolName }) => poolName)).toEqual(['Scaler', 'Cluster']);
  });

  test('a pool can be granted permissions, and only its own services may be overruled', () => {
    const stack = emptyStack();
    const result = synthesize({}, stack);
    const { workers } = result;
    const topic = new sns.Topic(stack, 'Topic');
    topic.grantPublish(workers.pool('fast'));
    const operator = new iam.Role(stack, 'Operator', { assumedBy: new iam.AccountRootPrincipal() });
    workers.grantOverrule(operator);
    const { template } = result;
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('WorkersPoolsfastTaskRole') }],
      PolicyDocument: { Statement: [Match.objectLike({ Action: 'sns:Publish' })] },
    });
    template.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('Operator') }],
      PolicyDocument: {
        Statement: [
          Match.objectLike({
            Action: ['ecs:TagResource', 'ecs:UntagResource'],
            Resource: [{ Ref: Match.stringLikeRegexp('fastService') }, { Ref: Match.stringLikeRegexp('slowService') }],
            Condition: {
              'ForAllValues:StringLike': { 'aws:TagKeys': Match.arrayWith(['elastic-workers:drain:*']) },
              Null: { 'aws:TagKeys': 'false' },
            },
          }),
          Match.objectLike({ Action: 'ecs:ListTagsForResource' }),
        ],
      },
    });
  });
});
