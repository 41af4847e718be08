/** What the stack writes into environments: scaler, worker and sidecar read it back, and there is nothing that they do not read. */
import { BUNDLING_STACKS } from 'aws-cdk-lib/cx-api';
import fc from 'fast-check';
import { METRIC_SETS } from '../../contract/metrics.ts';
import { scalerEnvironment, scalerVariables } from '../../contract/scaler-environment.ts';
import { sidecarEnvironment, WORKER_CONTAINER } from '../../contract/sidecar.ts';
import { workerEnvironment, workerVariables } from '../../contract/worker-environment.ts';
import { readScalerConfig } from '../../scaler/config.ts';
import { readConfig as readSidecarConfig } from '../../sidecar/config.ts';
import { readConfig as readWorkerConfig } from '../../worker/config.ts';
import { withVpc } from '../infra/every-prop.ts';
import { emptyStack, joined, synthesize } from '../infra/synthesize.ts';

const IN_ECS = { ECS_AGENT_URI: 'http://169.254.170.2/x', ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4' };

const text = fc.string({ minLength: 1 }).filter((value) => /\S/.test(value));
const whole = (min: number, max: number) => fc.integer({ min, max });
const slots = fc.tuple(whole(1, 10_000), whole(1, 10_000)).map(([one, other]) => ({
  min: Math.min(one, other),
  max: Math.max(one, other),
}));

describe('what is written is read back', () => {
  test('by the worker', () => {
    const values = fc.record(
      {
        TEMPORAL_ADDRESS: fc.domain().map((host) => `${host}:7233`),
        TEMPORAL_NAMESPACE: text,
        TEMPORAL_TASK_QUEUE: text,
        TEMPORAL_TLS: fc.constantFrom('true', 'false'),
        ELASTIC_WORKERS_TEMPORAL_SECRET: text,
        ELASTIC_WORKERS_MODEL: fc.constantFrom('offline:', 'bedrock:eu.amazon.nova-2-lite-v1:0'),
        ELASTIC_WORKERS_POOL: text,
        ELASTIC_WORKERS_MAX_CONCURRENT_ACTIVITIES: fc.oneof(whole(1, 10_000), slots),
        ELASTIC_WORKERS_MAX_CONCURRENT_WORKFLOW_TASKS: whole(2, 10_000),
        ELASTIC_WORKERS_DRAIN_SECONDS: whole(2, 86_400),
        ELASTIC_WORKERS_STOP_TIMEOUT_SECONDS: whole(4, 86_400),
        ELASTIC_WORKERS_STACK: text,
        ELASTIC_WORKERS_STATE_TABLE: text,
        ELASTIC_WORKERS_TASK_ROLE_ID: text,
        ELASTIC_WORKERS_PROFILE: fc.constantFrom('development', 'staging', 'production'),
        ELASTIC_WORKERS_METRICS_PORT: fc.oneof(whole(0, 65_535), fc.constant('off' as const)),
      },
      { requiredKeys: ['TEMPORAL_TASK_QUEUE'] },
    );
    const holds = fc.property(values, (given) => {
      expect(workerVariables.parse(workerEnvironment(given))).toMatchObject(given);
    });
    fc.assert(holds);
  });

  test('by the scaler', () => {
    const values = fc.record(
      {
        TEMPORAL_ADDRESS: text,
        TEMPORAL_NAMESPACE: text,
        TEMPORAL_TLS: fc.constantFrom('true', 'false'),
        ELASTIC_WORKERS_TEMPORAL_SECRET: text,
        ELASTIC_WORKERS_STATE_TABLE: text,
        ELASTIC_WORKERS_POOLS_PATH: text.map((id) => `/elastic-workers/${id}`),
        ELASTIC_WORKERS_TICK_SECONDS: fc.double({ min: 1, max: 50, noNaN: true }),
        ELASTIC_WORKERS_MODE: fc.constantFrom('act', 'observe'),
        ELASTIC_WORKERS_METRICS: fc.constantFrom(...METRIC_SETS),
      },
      { requiredKeys: ['TEMPORAL_ADDRESS', 'ELASTIC_WORKERS_STATE_TABLE', 'ELASTIC_WORKERS_POOLS_PATH'] },
    );
    const holds = fc.property(values, (given) => {
      expect(scalerVariables.parse(scalerEnvironment(given))).toMatchObject(given);
    });
    fc.assert(holds);
  });

  test('by the sidecar', () => {
    const holds = fc.property(text, text, text, text, (pool, stateTable, taskRoleId, container) => {
      const environment = sidecarEnvironment({
        ELASTIC_WORKERS_POOL: pool,
        ELASTIC_WORKERS_STATE_TABLE: stateTable,
        ELASTIC_WORKERS_TASK_ROLE_ID: taskRoleId,
        ELASTIC_WORKERS_CONTAINER: container,
      });
      const read = readSidecarConfig({ ...environment, ...IN_ECS });
      expect(read).toMatchObject({ pool, stateTable, taskRoleId, container });
    });
    fc.assert(holds);
  });
});

describe('with every prop, the stack writes nothing that its reader does not know, for', () => {
  const { template } = synthesize(withVpc, emptyStack({ [BUNDLING_STACKS]: [] }));
  const definitions = Object.values(template.findResources('AWS::ECS::TaskDefinition'));
  const containers = definitions.flatMap(({ Properties }) => Properties.ContainerDefinitions as Container[]);
  const environmentsOf = (...names: string[]) =>
    containers
      .filter(({ Name }) => names.includes(Name))
      .map(({ Environment }) => textsIn(Environment.map(({ Name, Value }) => [Name, Value])));

  test('the scaler', () => {
    const functions = Object.values(template.findResources('AWS::Lambda::Function'));
    const [variables] = functions.flatMap(({ Properties }) => Properties.Environment?.Variables ?? []);
    const environment = textsIn(Object.entries(variables as object));
    expect(Object.keys(scalerVariables.shape)).toEqual(expect.arrayContaining(oursIn(environment)));
    expect(readScalerConfig(environment)).toMatchObject({ tickSeconds: 5, mode: 'observe', metrics: 'full' });
  });

  test('the worker', () => {
    const environments = environmentsOf(WORKER_CONTAINER);
    expect(environments).toHaveLength(3);
    for (const environment of environments) {
      expect(Object.keys(workerVariables.shape)).toEqual(expect.arrayContaining(oursIn(environment)));
    }
    const own = environments.filter((environment) => 'ELASTIC_WORKERS_STATE_TABLE' in environment);
    expect(own.map((environment) => readWorkerConfig({ ...environment, ...IN_ECS }))).toMatchObject([
      { pool: 'spot', profile: 'production', maxConcurrentActivities: { min: 5, max: 200 }, stopTimeoutSeconds: 100 },
      { pool: 'entry', profile: 'production', maxConcurrentActivities: 20, scaleIn: {} },
    ]);
  });

  test('the sidecar', () => {
    const environments = environmentsOf('protect', 'sidecar');
    expect(environments).toHaveLength(2);
    for (const environment of environments) {
      const asked = new Set<unknown>();
      const get = (variables: Record<string, string>, name: string) => {
        asked.add(name);
        return Reflect.get(variables, name) as unknown;
      };
      readSidecarConfig(new Proxy({ ...environment, ...IN_ECS }, { get }));
      expect([...asked]).toEqual(expect.arrayContaining(oursIn(environment)));
    }
  });
});

interface Container {
  Name: string;
  Environment: { Name: string; Value: unknown }[];
}

function textsIn(variables: [string, unknown][]): Record<string, string> {
  return Object.fromEntries(variables.map(([name, value]) => [name, joined(value)]));
}

/** Node.js and the AWS SDK read the others. */
function oursIn(environment: Record<string, string>): string[] {
  return Object.keys(environment).filter((name) => /^(ELASTIC_WORKERS|TEMPORAL)_/.test(name));
}
