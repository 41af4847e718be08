import fc from 'fast-check';
import { ConfigError, readConfig } from '../../worker/config.ts';

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
  it('needs no more than a task queue', () => {
    const config = readConfig({ ...minimal, PATH: '/bin', ECS_SOMETHING: 'else' });
    expect(config).toMatchObject({
      taskQueue: 'agents',
      pool: 'agents',
      address: '127.0.0.1:7233',
      namespace: 'default',
    });
    expect(config.scaleIn).toBeUndefined();
  });

  it('turns the scale-in protocol on when table and role are given', () => {
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
    ['an empty number', { ...minimal, ELASTIC_WORKERS_DRAIN_SECONDS: '' }, '="" must be a whole number from 1 to 119'],
    ['NaN', { ...minimal, ELASTIC_WORKERS_HEARTBEAT_SECONDS: 'NaN' }, '="NaN" must be a whole number from 1 to 60'],
    ['Infinity', { ...minimal, ELASTIC_WORKERS_SCALER_GONE_SECONDS: 'Infinity' }, '="Infinity" must be a whole number'],
    ['a fraction', { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '1.5' }, 'a whole number from 1 to 10000'],
    ['no slots', { ...minimal, ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: '0' }, 'a whole number from 1 to 10000'],
    ['a drain longer than Fargate waits', { ...minimal, ELASTIC_WORKERS_DRAIN_SECONDS: '120' }, 'from 1 to 119'],
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
  ])('refuses %s, naming variable, value and fix', (_, env, message) => {
    expect(problems(env as unknown as Record<string, string>).join('\n')).toContain(message);
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

  it('reads back whatever valid values were written', () => {
    const valid = fc.record({
      taskQueue: fc.stringMatching(/^[a-zA-Z0-9_.-]{1,40}$/),
      pool: fc.stringMatching(/^[a-z-]{1,20}$/),
      maxConcurrentActivities: fc.integer({ min: 1, max: 10_000 }),
      heartbeatSeconds: fc.integer({ min: 1, max: 60 }),
      drainSeconds: fc.integer({ min: 1, max: 119 }),
    });
    fc.assert(
      fc.property(valid, (values) => {
        const env = {
          TEMPORAL_TASK_QUEUE: values.taskQueue,
          ELASTIC_WORKERS_POOL: values.pool,
          ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: `${values.maxConcurrentActivities}`,
          ELASTIC_WORKERS_HEARTBEAT_SECONDS: `${values.heartbeatSeconds}`,
          ELASTIC_WORKERS_DRAIN_SECONDS: `${values.drainSeconds}`,
        };
        expect(readConfig(env)).toMatchObject(values);
      }),
    );
  });

  it('accepts a number or names its variable, whatever the text', () => {
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
