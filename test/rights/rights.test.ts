/** Every statement of the synthesized policies, judged by the emulator: its purpose is allowed, anything close to it is not. */
import { App, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { METRIC_NAMESPACE } from '../../contract/metrics.ts';
import { SCALER_KEY } from '../../contract/state-table.ts';
import { synthesize } from '../infra/synthesize.ts';
import { DeployedRoles, SECRET, type Call } from './deployed.ts';
import * as needed from './needed.ts';
import { ELSEWHERE, KEY, PLACE } from './needed.ts';
import { needless, statementsIn, unusedActions, type Template } from './statements.ts';

jest.setTimeout(120_000);

const SCALER = 'WorkersScalerRole';
const INVOKER = 'WorkersScalerInvokeRole';
const OWN = 'WorkersPoolsownTaskRole';
const FOREIGN = 'WorkersPoolsforeignTaskRole';
const SESSION = '6478';

const { template } = synthesize(
  (scope) => ({
    temporal: { address: 'temporal.example.com:7233', secret: Secret.fromSecretNameV2(scope, 'Secret', SECRET) },
    scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    vpc: ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['us-east-1a'],
      privateSubnetIds: ['subnet-0123456789abcdef0'],
    }),
    encryptionKey: kms.Key.fromKeyArn(scope, 'Key', KEY),
    tracing: true,
    metrics: 'full',
    sidecarImage: ecs.ContainerImage.fromRegistry('sidecar'),
    pools: {
      own: { taskQueue: 'own' },
      foreign: { taskQueue: 'foreign', image: ecs.ContainerImage.fromRegistry('python') },
    },
  }),
  new Stack(new App(), 'Stack', { env: { account: '000000000000', region: 'us-east-1' } }),
);
const deployed = new DeployedRoles();
let names: needed.Names;
const roleIds: Record<string, string> = {};

beforeAll(async () => {
  await deployed.start(template);
  names = {
    cluster: deployed.name('WorkersCluster'),
    table: deployed.name('WorkersState'),
    service: deployed.name('WorkersPoolsownService'),
    secret: SECRET,
    scalerLogs: deployed.name('WorkersScalerLogs'),
    poolsPath: '/elastic-workers/StackWorkersBB84B11A',
  };
  for (const role of [OWN, FOREIGN]) roleIds[role] = await deployed.roleId(role);
});
afterAll(() => deployed.stop());

describe('each role may do its job:', () => {
  const cases: [who: string, role: string, calls: () => Call[]][] = [
    ['the scaler', SCALER, () => needed.ofScaler(names)],
    ['a worker that protects itself', OWN, () => needed.ofTask(names, 'own', cordonOf(OWN))],
    ['a worker’s metrics', OWN, () => [needed.publish(METRIC_NAMESPACE)]],
    ['a sidecar', FOREIGN, () => needed.ofTask(names, 'foreign', cordonOf(FOREIGN))],
    ['the log driver', 'WorkersPoolsownTaskExecutionRole', () => needed.log(deployed.name('WorkersPoolsownLogs'))],
    [
      'the log driver with a sidecar',
      'WorkersPoolsforeignTaskExecutionRole',
      () => needed.log(deployed.name('WorkersPoolsforeignLogs')),
    ],
    ['the schedule', INVOKER, () => [invoke(deployed.name('WorkersScalerFunction'))]],
    ...ELSEWHERE.map(({ why, role, calls }): [string, string, () => Call[]] => [why, role, () => calls]),
  ];
  test.each(cases)('%s', async (_who, role, calls) => {
    for (const call of calls()) expect(await deployed.call(role, call, sessionOf(role))).toBeUndefined();
  });
});

describe('the policies refuse', () => {
  const cases: [what: string, role: string, call: () => Call][] = [
    ['another stack’s service', SCALER, () => needed.updateService(names.cluster, 'Other-WorkersPoolsownService')],
    [
      'a service of the same name in another cluster',
      SCALER,
      () => needed.updateService('other', names.service.split('/').at(-1)!),
    ],
    ['another task definition', SCALER, () => change({ taskDefinition: 'other:1' })],
    ['a shell into the tasks', SCALER, () => change({ enableExecuteCommand: true })],
    ['another subnet', SCALER, () => change({ networkConfiguration: { awsvpcConfiguration: { subnets: ['other'] } } })],
    ['another capacity provider', SCALER, () => change({ capacityProviderStrategy: [{ capacityProvider: 'other' }] })],
    ['another cluster’s tasks', SCALER, () => needed.listTasks('other')],
    ['describing another cluster’s tasks', SCALER, () => needed.describeTasks('other')],
    ['another table', SCALER, () => needed.putItem('other', 'id')],
    ['another stack’s parameters', SCALER, () => needed.readParameters('/elastic-workers/Other')],
    ['all stacks’ parameters', SCALER, () => needed.readParameters('/elastic-workers')],
    ['another secret', SCALER, () => needed.readSecret('other')],
    ['another metric namespace', SCALER, () => needed.publish('AWS/ECS')],
    ['another log group', SCALER, () => needed.log('other')[1]!],
    ['protecting a task', SCALER, () => needed.protect(names.cluster, 'own')],
    ['another pool’s task', OWN, () => needed.protect(names.cluster, 'foreign')],
    ['a task of a pool with the same name in another stack', OWN, () => needed.protect(names.cluster, 'own', 'Other')],
    ['a task of another cluster', OWN, () => needed.protect('other', 'own')],
    ['another task’s cordon', OWN, () => needed.readItems(names.table, `${roleIds[OWN]}:6479`)],
    [
      'another task’s cordon beside its own',
      OWN,
      () => needed.readItems(names.table, cordonOf(OWN), `${roleIds[OWN]}:6479`),
    ],
    ['another pool’s cordon', OWN, () => needed.readItems(names.table, cordonOf(FOREIGN))],
    ['writing to the table', OWN, () => needed.putItem(names.table, SCALER_KEY)],
    ['another namespace for a worker', OWN, () => needed.publish('Other')],
    ['metrics of a sidecar', FOREIGN, () => needed.publish(METRIC_NAMESPACE)],
    ['a model for a sidecar', FOREIGN, () => ELSEWHERE[0]!.calls[0]!],
    ['another function', INVOKER, () => invoke('other')],
  ];
  test.each(cases)('%s', async (_what, role, call) => {
    expect(await deployed.call(role, call(), sessionOf(role))).toMatch(
      /^User: arn:aws:sts::000000000000:assumed-role\/.+ is not authorized to perform: \w+:\w+ on resource: .+ because no identity-based policy allows the \w+:\w+ action$/,
    );
  });
});

test('every policy statement is needed for a call, and every allowed action is used', () => {
  const statements = statementsIn(template.toJSON() as Template);
  expect(statements.length).toBeGreaterThan(20);
  expect(needless(statements, deployed.logged())).toEqual([]);
  expect(unusedActions(statements, deployed.logged())).toEqual([]);
});

/** Only the session name of a task matters. */
function sessionOf(role: string): string | undefined {
  return role.endsWith('TaskRole') ? SESSION : undefined;
}

/** A change to the scaler's own service other than its count. */
function change(changes: object): Call {
  return needed.updateService(names.cluster, names.service, changes);
}

function invoke(name: string): Call {
  return { action: 'lambda:InvokeFunction', resource: `arn:aws:lambda:${PLACE}:function:${name}` };
}

/** `${aws:userid}` of the task. */
function cordonOf(role: string): string {
  return `${roleIds[role]}:${SESSION}`;
}
