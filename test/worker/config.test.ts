import fc from 'fast-check';
import { readConfig } from '../../worker/config.ts';
import { ConfigError } from '../../worker/errors.ts';

const minimal = { TEMPORAL_TASK_QUEUE: 'agents' };
const inEcs = {
  ECS_AGENT_URI: 'http://169.254.170.2/api/x',
  ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/x',
};
const scaleIn = { ELASTIC_WORKERS_STATE_TABLE: 'state', ELASTIC_WORKERS_TASK_ROLE_ID: 'AROAX' };

function problems(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('needs only a task queue', () => {
    const config = readConfig({ ...minimal, PATH: '/bin', ECS_SOMETHING: 'else' });
    expect(config).toMatchObject({
      taskQueue: 'agents',
      pool: 'agents',
      profile: 'production',
      maxConcurrentActivities: undefined,
      processes: undefined,
      healthPort: 8080,
      metricsPort: 8000,
      cloudwatch: false,
      shutdownGraceSeconds: 90,
      shutdownForceSeconds: 100,
    });
    expect(config.scaleIn).toBeUndefined();
  });

  it('turns the scale-in protocol on if table and role are set', () => {
    expect(readConfig({ ...minimal, ...inEcs, ...scaleIn }).scaleIn).toMatchObject({
      stateTable: 'state',
      taskRoleId: 'AROAX',
      agentUri: inEcs.ECS_AGENT_URI,
    });
  });

  it.each([
    ['a missing task queue', {}, 'TEMPORAL_TASK_QUEUE is not set'],
    ['an empty value', { ...minimal, ELASTIC_WORKERS_POOL: '' }, 'ELASTIC_WORKERS_POOL="" must not be empty'],
    ['an address without a port', { ...minimal, TEMPORAL_ADDRESS: 'temporal' }, '="temporal" must be host:port'],
    [
      'an empty number',
      { ...minimal, ELASTIC_WORKERS_DRAIN_SECONDS: '' },
      '="" must be a whole number from 1 to 86400',
    ],
    ['NaN', { ...minimal, ELASTIC_WORKERS_HEARTBEAT_SECONDS: 'NaN' }, '="NaN" must be a whole number from 1 to 60'],
    ['Infinity', { ...minimal, ELASTIC_WORKERS_SCALER_GONE_SECONDS: 'Infinity' }, '="Infinity" must be a whole number'],
    ['a fraction', { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '1.5' }, 'a whole number from 1 to 10000'],
    [
      'a maximum of slots below the minimum',
      { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '5..2' },
      'ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES="5..2" must be a whole number from 1 to 10000, or a range such as 5..200',
    ],
    [
      'slots in another format',
      { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '5-20' },
      'or a range such as 5..200',
    ],
    ['zero slots', { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '0' }, 'a whole number from 1 to 10000'],
    [
      'a drain longer than Fargate waits',
      { ...minimal, ELASTIC_WORKERS_DRAIN_SECONDS: '120' },
      'ELASTIC_WORKERS_DRAIN_SECONDS (120) must be less than ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS (120)',
    ],
    [
      'a grace period longer than the drain',
      { ...minimal, ELASTIC_WORKERS_DRAIN_GRACE_SECONDS: '60', ELASTIC_WORKERS_DRAIN_SECONDS: '60' },
      'ELASTIC_WORKERS_DRAIN_GRACE_SECONDS (60) must be less than ELASTIC_WORKERS_DRAIN_SECONDS (60)',
    ],
    [
      'a throttle above its maximum',
      { ...minimal, ELASTIC_WORKERS_HEARTBEAT_THROTTLE_SECONDS: '90' },
      'must be at most ELASTIC_WORKERS_MAX_HEARTBEAT_THROTTLE_SECONDS (60)',
    ],
    ['an unknown profile', { ...minimal, ELASTIC_WORKERS_PROFILE: 'prod' }, 'one of development, staging, production'],
    ['an unknown level', { ...minimal, LOG_LEVEL: 'loud' }, 'LOG_LEVEL="loud" must be one of trace, debug'],
    ['an unknown word for TLS', { ...minimal, TEMPORAL_TLS: 'yes' }, 'TEMPORAL_TLS="yes" must be one of true, false'],
    ['an invalid port', { ...minimal, ELASTIC_WORKERS_HEALTH_PORT: '65536' }, 'a port from 1 to 65535'],
    ['a host name as IP address', { ...minimal, ELASTIC_WORKERS_BIND_ADDRESS: 'localhost' }, 'must be an IP address'],
    [
      'an unknown name under our prefix',
      { ...minimal, ELASTIC_WORKERS_DRAIN_SECOND: '5' },
      'did you mean ELASTIC_WORKERS_DRAIN_SECONDS?',
    ],
    [
      'a table without a role',
      { ...minimal, ...inEcs, ELASTIC_WORKERS_STATE_TABLE: 'x' },
      'TASK_ROLE_ID is not set while',
    ],
    [
      'a role without a table',
      { ...minimal, ...inEcs, ELASTIC_WORKERS_TASK_ROLE_ID: 'x' },
      'STATE_TABLE is not set while',
    ],
    ['scale-in protection outside ECS', { ...minimal, ...scaleIn }, 'ECS_AGENT_URI is not set, but'],
  ])('refuses %s with the variable, the value and the fix', (_, env, message) => {
    expect(problems(env as unknown as Record<string, string>).join('\n')).toContain(message);
  });

  it('has defaults for each profile, and each variable overrides its default', () => {
    const development = { ...minimal, ELASTIC_WORKERS_PROFILE: 'development' };
    expect(readConfig(development)).toMatchObject({
      processes: 1,
      logLevel: 'debug',
      shutdownGraceSeconds: 5,
      shutdownForceSeconds: 8,
      bindAddress: '127.0.0.1',
    });
    const overridden = {
      ...development,
      ELASTIC_WORKERS_PROCESSES: '3',
      LOG_LEVEL: 'warn',
      ELASTIC_WORKERS_DRAIN_SECONDS: '20',
      ELASTIC_WORKERS_BIND_ADDRESS: '::',
      ELASTIC_WORKERS_METRICS_PORT: 'off',
      ELASTIC_WORKERS_CLOUDWATCH: 'on',
    };
    expect(readConfig(overridden)).toMatchObject({
      processes: 3,
      logLevel: 'warn',
      shutdownGraceSeconds: 18,
      shutdownForceSeconds: 20,
      bindAddress: '::',
      metricsPort: undefined,
      cloudwatch: true,
    });
  });

  it('reports every problem at once', () => {
    const env = {
      TEMPORAL_ADDRESS: 'x',
      ELASTIC_WORKERS_HEARTBEAT_SECONDS: '0',
      ELASTIC_WORKERS_POOLS: 'y',
      ...scaleIn,
    };
    expect(problems(env)).toHaveLength(6);
  });

  it('reads back any valid values that were written', () => {
    const valid = fc.record({
      taskQueue: fc.stringMatching(/^[a-zA-Z0-9_.-]{1,40}$/),
      pool: fc.stringMatching(/^[a-z-]{1,20}$/),
      maxConcurrentActivities: fc.integer({ min: 1, max: 10_000 }),
      heartbeatSeconds: fc.integer({ min: 1, max: 60 }),
      shutdownForceSeconds: fc.integer({ min: 1, max: 119 }),
    });
    fc.assert(
      fc.property(valid, (values) => {
        const env = {
          TEMPORAL_TASK_QUEUE: values.taskQueue,
          ELASTIC_WORKERS_POOL: values.pool,
          ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${values.maxConcurrentActivities}`,
          ELASTIC_WORKERS_HEARTBEAT_SECONDS: `${values.heartbeatSeconds}`,
          ELASTIC_WORKERS_DRAIN_SECONDS: `${values.shutdownForceSeconds}`,
        };
        expect(readConfig(env)).toMatchObject(values);
      }),
    );
  });

  it('for any text, accepts a number or names the variable', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String)), (text) => {
        const found = problems({ ...minimal, ELASTIC_WORKERS_CORDON_POLL_SECONDS: text });
        const good = /^\d{1,9}$/.test(text) && Number(text) >= 1 && Number(text) <= 60;
        expect(found.map((problem) => problem.split('=')[0])).toEqual(
          good ? [] : ['ELASTIC_WORKERS_CORDON_POLL_SECONDS'],
        );
      }),
    );
  });
});
