/** The scaler’s function, and what it and the command line find the pools by. */
import { Match } from 'aws-cdk-lib/assertions';
import type { Construct } from 'constructs';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { STACKS_PATH, stackConfigSchema } from '../../contract/stack-config.ts';
import { containerOf, emptyStack, parametersBelow, poolConfigs, props, synthesize } from './synthesize.ts';

const SECRET_ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:temporal-AbCdEf';

function secretOf(scope: Construct): secretsmanager.ISecret {
  return secretsmanager.Secret.fromSecretCompleteArn(scope, 'Secret', SECRET_ARN);
}

describe('the scaler', () => {
  const { template } = synthesize();

  test('is invoked once a minute, never twice, and reserves none of the account’s concurrency', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: Match.absent(),
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      DeadLetterConfig: Match.absent(),
    });
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0 });
    template.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: 'rate(1 minute)',
      Target: { RetryPolicy: { MaximumRetryAttempts: 0 }, DeadLetterConfig: Match.absent() },
    });
  });

  test('finds each pool in a parameter that its schema accepts', () => {
    expect(poolConfigs(template).map(({ pool, policy, protection }) => [pool, policy, protection])).toEqual([
      ['fast', { slotsPerTask: 20, minTasks: 0, maxTasks: 10, taskDollarsPerHour: 0.04937 }, 'worker'],
      [
        'slow',
        { slotsPerTask: 5, minTasks: 1, maxTasks: 40, scaleInAfterSeconds: 300, taskDollarsPerHour: 0.04937 },
        'worker',
      ],
    ]);
  });

  test('and everything else is found by the command line in one parameter of the stack', () => {
    const [config, ...others] = parametersBelow(`${STACKS_PATH}/`, template);
    expect(others).toEqual([]);
    const { poolsPath, temporal, ...names } = stackConfigSchema.parse(config);
    expect(template.findResources('AWS::SSM::Parameter', { Properties: { Name: `${poolsPath}/fast` } })).not.toEqual(
      {},
    );
    expect(temporal).toMatchObject({ address: props.temporal.address, tls: true });
    expect(Object.keys(names)).toEqual(['stateTable', 'scalerFunction', 'scalerLogGroup', 'dashboard', 'region']);
  });

  test('gets the schedules, and a pool’s own Temporal without another one’s secret', () => {
    const { template } = synthesize((scope) => ({
      temporal: { address: 'cloud.tmprl.cloud:7233', namespace: 'agents', secret: secretOf(scope) },
      pools: {
        other: { taskQueue: 'q', temporal: { address: 'temporal.internal:7233' } },
        sister: {
          taskQueue: 'q',
          temporal: { namespace: 'billing' },
          schedules: [{ from: '0 8 * * *', to: '0 18 * * *', minTasks: 2 }],
        },
      },
    }));
    expect(poolConfigs(template)).toMatchObject([
      { temporal: { address: 'temporal.internal:7233', namespace: 'agents', tls: false } },
      {
        temporal: { address: 'cloud.tmprl.cloud:7233', namespace: 'billing', tls: true, secret: SECRET_ARN },
        schedules: [{ from: '0 8 * * *', to: '0 18 * * *', timeZone: 'UTC', minTasks: 2 }],
      },
    ]);
    expect(poolConfigs(template)[0]?.temporal).not.toHaveProperty('secret');
    expect(containerOf(template, 'other').environment).not.toHaveProperty('ELASTIC_WORKERS_TEMPORAL_SECRET');
    expect(containerOf(template, 'sister').environment).toMatchObject({
      TEMPORAL_TLS: 'true',
      ELASTIC_WORKERS_TEMPORAL_SECRET: SECRET_ARN,
    });
  });

  test('only observes in observe mode', () => {
    const { template } = synthesize({ mode: 'observe', metrics: 'full', tracing: true });
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { ELASTIC_WORKERS_MODE: 'observe', ELASTIC_WORKERS_METRICS: 'full' } },
      TracingConfig: { Mode: 'Active' },
    });
  });
});

test('the context puts all pools and the scaler on another Temporal, without TLS and secrets', () => {
  const { template } = synthesize(
    (scope) => ({
      temporal: {
        address: 'ours.tmprl.cloud:7233',
        namespace: 'ours',
        secret: new secretsmanager.Secret(scope, 'ApiKey'),
      },
      pools: {
        shared: { taskQueue: 'shared' },
        own: { taskQueue: 'own', temporal: { address: 'theirs.example.com:7233', namespace: 'theirs' } },
      },
    }),
    emptyStack({ 'elastic-workers:temporal': '127.0.0.1:7233/local' }),
  );
  const text = JSON.stringify(template.toJSON());
  for (const named of ['tmprl.cloud', 'theirs', 'TEMPORAL_SECRET']) expect(text).not.toContain(named);
  for (const pool of ['shared', 'own'])
    expect(containerOf(template, pool).environment).toMatchObject({
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      TEMPORAL_NAMESPACE: 'local',
      TEMPORAL_TLS: 'false',
    });
});
