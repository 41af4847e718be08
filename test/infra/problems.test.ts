import type { App } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ElasticWorkersProps, WorkerPoolProps } from '../../infra/index.ts';
import { problemsOf } from '../../infra/problems.ts';
import { emptyStack, props, synthesize } from './synthesize.ts';

const ofStack = (changes: object, region = 'eu-west-1') =>
  problemsOf({ ...props, ...changes } as ElasticWorkersProps, region);
const ofPool = (pool: Partial<WorkerPoolProps>, region?: string) =>
  ofStack({ pools: { one: { taskQueue: 'q', ...pool } } }, region);

/** A health check of the worker's at that address. */
function asks(address: string): ecs.HealthCheck {
  return {
    command: ['CMD', 'node', '-e', `fetch('http://${address}/health/live').then(({ ok }) => process.exit(+!ok))`],
  };
}

test('all mistakes are reported at once, with the pool, the value and the fix', () => {
  const broken = () =>
    synthesize({
      tickSeconds: 60,
      pools: {
        'a b': { taskQueue: '' },
        upside: { taskQueue: 'q', minTasks: 5, maxTasks: 2, slots: 0 },
        twin: { taskQueue: 'q' },
      },
    });
  expect(broken).toThrow(`ElasticWorkers Stack/Workers:
- tickSeconds is 60; choose a number from 1 to 50
- pools upside, twin share the task queue q of agents at temporal.example.com:7233; merge them
- pool a b: the name must have at most 64 letters, digits, '.', '_' and '-', and start with a letter or digit
- pool a b: taskQueue is empty; name the queue its workflows use
- pool upside: slots is 0; choose a whole number from 1 to 10000
- pool upside: minTasks 5 is above maxTasks 2; raise maxTasks`);
});

test.each<[Partial<WorkerPoolProps>, string]>([
  [{ minTasks: 11 }, 'pool one: minTasks 11 is above maxTasks 10; raise maxTasks'],
  [
    { sidecar: true },
    'pool one: sidecar is for other images, because this package’s worker protects itself: set image, or remove sidecar',
  ],
  [{ maxTasks: 0 }, 'pool one: maxTasks is 0; choose a whole number from 1 to 5000'],
  [{ slots: 1.5 }, 'pool one: slots is 1.5; choose a whole number from 1 to 10000'],
  [{ slots: { min: 5, max: 2 } }, 'pool one: slots.min 5 is above slots.max 2; raise slots.max'],
  [{ slots: { min: 0, max: 2 } }, 'pool one: slots.min is 0; choose a whole number from 1 to 10000'],
  [{ slots: { min: 1 } as never }, 'pool one: slots.max is undefined; choose a whole number from 1 to 10000'],
  [
    { slots: { min: 5, max: 200 }, image: ecs.ContainerImage.fromRegistry('python-worker') },
    'pool one: slots { min: 5, max: 200 } works only with runElasticWorker; for your image, set slots to a number',
  ],
  [{ minTasks: Number.NaN }, 'pool one: minTasks is NaN; choose a whole number from 0 to 5000'],
  [{ targetWaitSeconds: 0 }, 'pool one: targetWaitSeconds is 0; choose a number from 0.1 to 86400'],
  [{ scaleInAfterSeconds: -1 }, 'pool one: scaleInAfterSeconds is -1; choose a number from 0 to 86400'],
  [
    { cpu: 1000 },
    'pool one: cpu 1000 does not exist on Fargate; choose one of 256, 512, 1024, 2048, 4096, 8192, 16384',
  ],
  [
    { cpu: 256, memory: 1536 },
    'pool one: memory 1536 does not exist on Fargate with cpu 256; choose 2048, or another cpu',
  ],
  [
    { cpu: 1024, memory: 16_384 },
    'pool one: memory 16384 does not exist on Fargate with cpu 1024; choose 8192, or another cpu',
  ],
  [{ ephemeralStorageGiB: 20 }, 'pool one: ephemeralStorageGiB is 20; choose a whole number from 21 to 200'],
  [
    { gpu: 1 },
    'pool one: gpu 1: Fargate has no GPUs; set capacityProvider to an EC2 capacity provider of your cluster',
  ],
  [{ capacityProvider: 'gpus' }, 'pool one: capacityProvider gpus needs a cluster; set cluster too'],
  [{ onDemandBase: 2 }, 'pool one: onDemandBase 2 is for Spot; add spot or remove it'],
  [
    { spot: true, onDemandBase: 10 },
    'pool one: onDemandBase 10 leaves no tasks of maxTasks 10 for Spot; lower it, or remove spot',
  ],
  [{ stopTimeoutSeconds: 300 }, 'pool one: stopTimeoutSeconds is 300; choose a whole number from 4 to 120'],
  [
    { drainSeconds: 60, stopTimeoutSeconds: 60 },
    'pool one: drainSeconds 60 must be shorter than stopTimeoutSeconds 60, after which the task is killed',
  ],
  [
    { environment: { TEMPORAL_API_KEY: 'secret' } },
    'pool one: environment.TEMPORAL_API_KEY would be readable in the template; use secrets, or temporal.secret',
  ],
  [
    { environment: { ELASTIC_WORKERS_HEALTH_PORT: '80800' } },
    'pool one: environment.ELASTIC_WORKERS_HEALTH_PORT is "80800"; write a port from 1 to 65535, 0 for any free one, or off',
  ],
  [
    { environment: { ELASTIC_WORKERS_HEALTH_PORT: '9090' }, healthCheck: asks('localhost:8080') },
    'pool one: healthCheck requests localhost:8080/health, where the worker does not listen, so ECS would replace every task: environment.ELASTIC_WORKERS_HEALTH_PORT is 9090; use port 9090, or set it to 8080',
  ],
  [
    { environment: { ELASTIC_WORKERS_HEALTH_PORT: 'off' }, healthCheck: asks('127.0.0.1:8080') },
    'pool one: healthCheck requests 127.0.0.1:8080/health, where the worker does not listen, so ECS would replace every task: environment.ELASTIC_WORKERS_HEALTH_PORT is off; set it to 8080',
  ],
  [
    { healthCheck: asks('localhost') },
    'pool one: healthCheck requests localhost/health, where the worker does not listen, so ECS would replace every task: environment.ELASTIC_WORKERS_HEALTH_PORT is 8080; use port 8080, or set it to 80',
  ],
  [
    { environment: { ELASTIC_WORKERS_BIND_ADDRESS: '10.0.0.7' }, healthCheck: asks('127.0.0.1:8080') },
    'pool one: healthCheck requests 127.0.0.1:8080/health, where the worker does not listen, so ECS would replace every task: environment.ELASTIC_WORKERS_BIND_ADDRESS is 10.0.0.7; remove it, or use that address',
  ],
  [
    { healthCheck: asks('[::1]:8080') },
    'pool one: healthCheck requests [::1]:8080/health, where the worker does not listen, so ECS would replace every task: environment.ELASTIC_WORKERS_BIND_ADDRESS is 0.0.0.0; remove it, or use that address',
  ],
  [{ model: 'bedrock:' }, 'pool one: model is "bedrock:"; write provider:model, such as bedrock:amazon.nova-lite-v1:0'],
  [{ model: 'nova' }, 'pool one: model is "nova"; write provider:model, such as bedrock:amazon.nova-lite-v1:0'],
  [
    { environment: { ELASTIC_WORKERS_MODEL: 'bedrock:x' } },
    'pool one: environment.ELASTIC_WORKERS_MODEL is set by the construct; use its own prop',
  ],
  [
    { environment: { TEMPORAL_ADDRESS: 'elsewhere:7233' } },
    'pool one: environment.TEMPORAL_ADDRESS is set by the construct; use its own prop',
  ],
  [
    { schedules: [{ from: '0 8 * * *', to: '0 18 * * *', timeZone: 'Europe/Berlim', minTasks: 1 }] },
    'pool one: schedules[0].timeZone: unknown time zone "Europe/Berlim": use an IANA name such as Europe/Berlin',
  ],
  [
    { schedules: [{ from: '0 25 * * *', to: '0 18 * * *', minTasks: 1 }] },
    'pool one: schedules[0].from: not a cron expression: "0 25 * * *"; use five fields, such as "0 8 * * 1-5"',
  ],
  [
    { schedules: [{ from: '0 8 * * *', to: '0 18 * * *', minTasks: 20 }] },
    'pool one: schedules[0]: minTasks 20 is above maxTasks 10 in this window; set both in it',
  ],
  [
    { schedules: [{ from: '0 8 30 2 *', to: '0 18 * * *', minTasks: 1 }] },
    'pool one: schedules[0].from: "0 8 30 2 *" never occurs; correct the date',
  ],
  [
    { schedules: [{ from: '0 8 * * *', to: '0 18 31 4 *', minTasks: 1 }] },
    'pool one: schedules[0].to: "0 18 31 4 *" never occurs; correct the date',
  ],
  [
    { schedules: [{ from: '31 * * * *', to: '31  * * * *', minTasks: 1 }] },
    'pool one: schedules[0]: from and to are both "31 * * * *", so the window is never open; correct to, the time when it closes',
  ],
  [
    { schedules: Array.from({ length: 21 }, () => ({ from: '0 8 * * *', to: '0 18 * * *', minTasks: 1 })) },
    'pool one: there are 21 schedules; use 20 at most',
  ],
  [
    {
      schedules: [
        { from: '0 8 * * 1', to: '0 18 * * 5', minTasks: 8 },
        { from: '0 12 * * 3', to: '0 13 * * 3', maxTasks: 5 },
      ],
    },
    'pool one: schedules[0] and schedules[1] overlap, with minTasks 8 above maxTasks 5; set both in schedules[1]',
  ],
  [
    {
      taskQueue: 'q'.repeat(900),
      schedules: Array.from({ length: 20 }, (_, day) => ({
        from: `0 8 ${day + 1} * *`,
        to: `0 18 ${day + 1} * *`,
        timeZone: 'America/Argentina/Buenos_Aires',
        minTasks: 1,
        maxTasks: 10,
      })),
    },
    expect.stringMatching(
      /^pool one: taskQueue and schedules make the SSM parameter about \d+ characters long; the limit is 4096/,
    ),
  ],
  [
    { temporal: { address: 'temporal.example.com:7233', tls: false } },
    'pool one: temporal.tls is false and temporal.example.com:7233 is not a private address: everything would be sent unencrypted; remove tls, or add allowPlaintext: true if you own the network in between',
  ],
  [{ taskQueue: 'q'.repeat(1001) }, 'pool one: taskQueue has 1001 characters; Temporal allows 1000 at most'],
  [
    { schedules: [{ from: '0 8 * * *', to: '0 18 * * *' }] },
    'pool one: schedules[0]: changes nothing; set minTasks or maxTasks',
  ],
  [
    { temporal: { address: 'no port' } },
    'pool one: temporal.address is "no port"; write host:port, such as temporal.example.com:7233',
  ],
])('a mistake in a pool is reported: %j', (pool, problem) => {
  expect(ofPool(pool)).toEqual([problem]);
});

test.each<[object, string]>([
  [{ pools: {} }, 'pools: there are none; define at least one'],
  [{ preset: 'prod' }, 'preset is "prod"; choose one of development, staging, production'],
  [{ mode: 'dry' }, 'mode is "dry"; choose one of act, observe'],
  [{ metrics: 'all' }, 'metrics is "all"; choose one of essential, full'],
  [{ scalerMemory: 64 }, 'scalerMemory is 64; choose a whole number of MiB from 128 to 10240'],
  [{ vpcSubnets: {} }, 'vpcSubnets: there is no VPC; set vpc or cluster too'],
  [
    { scalerVpcSubnets: {} },
    'scalerVpcSubnets: a new VPC has only public subnets, where a function has no egress; set vpc or cluster',
  ],
  [{ securityGroups: [] }, 'securityGroups: empty; add one, or leave it out for a new one'],
  [{ alarmThresholds: { queueDepth: -1 } }, 'alarmThresholds.queueDepth is -1; choose a number from 0 to 1000000'],
  [{ runbookUrl: 'wiki' }, 'runbookUrl is "wiki"; use an https URL'],
  [
    { temporal: { address: 'a:1', namespace: ' ' } },
    'temporal.namespace is empty; set it, or leave it out for "default"',
  ],
])('a mistake in the stack is reported: %j', (changes, problem) => {
  expect(ofStack(changes)).toEqual([problem]);
});

test('a secret without TLS is refused', () => {
  const secret = Secret.fromSecretNameV2(emptyStack(), 'Secret', 'temporal');
  expect(ofStack({ temporal: { address: 'a:1', secret, tls: false } })).toEqual([
    'temporal.tls is false although there is a secret, which would be sent unencrypted; remove tls',
  ]);
});

test('contradictions between existing resources are reported', () => {
  const stack = emptyStack();
  const vpc = ec2.Vpc.fromVpcAttributes(stack, 'Vpc', { vpcId: 'vpc-1', availabilityZones: ['a'] });
  expect(ofStack({ vpc, cluster: { vpc } })).toEqual(['vpc: the cluster has its own; remove vpc or cluster']);
  const taskRole = iam.Role.fromRoleArn(stack, 'Role', 'arn:aws:iam::123456789012:role/worker');
  expect(ofPool({ taskRole })).toEqual([
    'pool one: taskRole is imported, so its unique id is unknown; set taskRoleId (aws iam get-role: RoleId)',
  ]);
  expect(ofPool({ taskRole, taskRoleId: 'AROAEXAMPLE' })).toEqual([]);
  expect(
    ofStack({
      cluster: {} as never,
      pools: { gpu: { taskQueue: 'q', capacityProvider: 'gpus', spot: true, ephemeralStorageGiB: 50 } },
    }),
  ).toEqual([
    'pool gpu: spot is for Fargate; a capacity provider chooses its own instances: remove spot',
    "pool gpu: ephemeralStorageGiB 50 is for Fargate; size the instances' volume instead",
  ]);
});

test('the same queue name in two namespaces means two queues', () => {
  expect(
    ofStack({
      pools: { one: { taskQueue: 'q' }, two: { taskQueue: 'q', temporal: { namespace: 'other' } } },
    }),
  ).toEqual([]);
});

test('values known only at deployment are not checked', () => {
  expect(ofStack({ temporal: { address: '${Token[TOKEN.1]}:7233' } })).toEqual([]);
});

test('schedule windows that are never open at the same time may differ', () => {
  const schedules = [
    { from: '0 8 * * *', to: '0 12 * * *', minTasks: 8 },
    { from: '0 13 * * *', to: '0 18 * * *', maxTasks: 5 },
  ];
  expect(ofPool({ schedules })).toEqual([]);
});

test.each(['10.1.2.3', '172.16.0.9', '100.64.0.1', 'localhost', 'temporal', 'temporal.prod.internal', '[fd00::1]'])(
  'workers may connect to %s without TLS',
  (host) => expect(ofStack({ temporal: { address: `${host}:7233` } })).toEqual([]),
);

test('workers may connect to other addresses without TLS only with allowPlaintext', () => {
  expect(ofStack({ temporal: { address: '203.0.113.7:7233', tls: false, allowPlaintext: true } })).toEqual([]);
  expect(ofStack({ temporal: { address: '203.0.113.7:7233', tls: false } })).toHaveLength(1);
});

test('a model must be set if no default is known to stay in the region’s geography', () => {
  const unnamed = [expect.stringMatching(/^pool one: model is not set, and no default is known to stay/)];
  expect(ofPool({}, 'sa-east-1')).toEqual(unnamed);
  expect(ofPool({}, 'us-gov-west-1')).toEqual(unnamed);
  expect(ofPool({ model: 'offline:' }, 'sa-east-1')).toEqual([]);
  expect(ofPool({ image: ecs.ContainerImage.fromRegistry('worker') }, 'sa-east-1')).toEqual([]);
});

test.each<Partial<WorkerPoolProps>>([
  { healthCheck: asks('localhost:8080') },
  { environment: { ELASTIC_WORKERS_HEALTH_PORT: '9090' }, healthCheck: asks('127.0.0.1:9090') },
  { environment: { ELASTIC_WORKERS_BIND_ADDRESS: '::' }, healthCheck: asks('[::1]:8080') },
  { environment: { ELASTIC_WORKERS_BIND_ADDRESS: '127.0.0.1' }, healthCheck: asks('localhost:8080') },
  {
    environment: { ELASTIC_WORKERS_HEALTH_PORT: 'off' },
    healthCheck: { command: ['CMD', '/bin/check', 'localhost:8080'] },
  },
  { image: ecs.ContainerImage.fromRegistry('python'), healthCheck: asks('localhost:5000') },
])('a health check on a port that may be in use is accepted: %#', (pool) => {
  expect(ofPool(pool)).toEqual([]);
});

describe('a container added to a task', () => {
  const withProxy = (pool: Partial<WorkerPoolProps>, mapping: ecs.PortMapping) => {
    const { workers, stack } = synthesize({ pools: { one: { taskQueue: 'q', ...pool } } });
    const { taskDefinition } = workers.pool('one').service as ecs.FargateService;
    const image = ecs.ContainerImage.fromRegistry('proxy');
    taskDefinition.addContainer('proxy', { image, portMappings: [mapping] });
    return () => (stack.node.root as App).synth();
  };

  test('must not listen on the worker’s ports', () => {
    expect(withProxy({}, { containerPort: 8080 })).toThrow(
      "pool one: container proxy and the worker both listen on port 8080: set the pool's environment.ELASTIC_WORKERS_HEALTH_PORT to another port, or to off",
    );
    const range = { containerPort: ecs.ContainerDefinition.CONTAINER_PORT_USE_RANGE, containerPortRange: '7000-8000' };
    expect(withProxy({}, range)).toThrow('environment.ELASTIC_WORKERS_METRICS_PORT');
  });

  test('may use the port if the worker does not', () => {
    const environment = { ELASTIC_WORKERS_HEALTH_PORT: '9090' };
    expect(withProxy({ environment }, { containerPort: 8080 })).not.toThrow();
    expect(withProxy({ environment }, { containerPort: 9090 })).toThrow('port 9090');
    expect(withProxy({ environment: { ELASTIC_WORKERS_HEALTH_PORT: 'off' } }, { containerPort: 8080 })).not.toThrow();
    expect(withProxy({}, { containerPort: 8080, protocol: ecs.Protocol.UDP })).not.toThrow();
  });
});
