/** The emulator and local Fargate refuse requests that AWS's public service models do not allow, and list every problem. */
import { gzipSync } from 'node:zlib';
import { tmpdir } from 'node:os';
import { emulatorCredentials, startEmulator, type LocalEmulator } from '../../local/emulator.ts';
import { startLocalFargate, type LocalFargate } from '../../local/fargate/index.ts';
import { takeRefusedRequests } from '../refused-requests.ts';

jest.setTimeout(60_000);

let emulator: LocalEmulator;
let fargate: LocalFargate;

beforeAll(async () => {
  emulator = await startEmulator();
  fargate = await startLocalFargate({
    emulatorUrl: emulator.url,
    images: {},
    startDelaySeconds: { min: 0, max: 0 },
    logDirectory: tmpdir(),
    environment: emulatorCredentials(emulator.url),
  });
});

afterAll(async () => {
  await fargate?.stop();
  await emulator?.stop();
});

const ECS = 'AmazonEC2ContainerServiceV20141113';
const DYNAMODB = 'DynamoDB_20120810';
const CLOUDWATCH = 'GraniteServiceVersion20100801';

const AS_ROOT = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/monitoring/aws4_request, SignedHeaders=host';

async function send(target: string, body: unknown, url = emulator.url) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: AS_ROOT, 'x-amz-target': target, 'content-type': 'application/x-amz-json-1.1' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const answer = (await response.json()) as { __type: string; message: string };
  return { status: response.status, type: answer.__type, message: answer.message };
}

const metric = (datum: object) => ({ Namespace: 'n', MetricData: [{ MetricName: 'm', ...datum }] });

test.each<[string, string, unknown, string]>([
  ['without a required member', 'AmazonSSM.GetParametersByPath', {}, 'the request has no Path, which is required'],
  [
    'with an unknown member',
    `${ECS}.ListTasks`,
    { clustre: 'c' },
    'the request has the member clustre, which is none of',
  ],
  [
    'with a wrong type',
    `${ECS}.UpdateService`,
    { service: 's', desiredCount: '3' },
    'desiredCount is "3", expected a integer',
  ],
  [
    'with a number instead of true',
    `${ECS}.UpdateService`,
    { service: 's', forceNewDeployment: 1 },
    'forceNewDeployment is 1, expected a boolean',
  ],
  ['with null', `${ECS}.ListTasks`, { cluster: null }, 'cluster is null, expected a string'],
  [
    'with a word that is not in the enum',
    `${ECS}.ListTasks`,
    { desiredStatus: 'ASLEEP' },
    'desiredStatus is "ASLEEP", expected one of RUNNING, PENDING, STOPPED',
  ],
  [
    'with a string that is too short',
    `${CLOUDWATCH}.PutMetricData`,
    metric({ MetricName: '' }),
    'MetricData[0].MetricName is "", expected a length of at least 1',
  ],
  [
    'with a string that is too long',
    'Logs_20140328.DescribeLogGroups',
    { logGroupNamePrefix: 'x'.repeat(513) },
    'expected a length of at most 512',
  ],
  [
    'with a number that is too small',
    `${CLOUDWATCH}.PutMetricData`,
    metric({ Value: 1, StorageResolution: 0 }),
    'MetricData[0].StorageResolution is 0, expected a value of at least 1',
  ],
  [
    'with a number that is too large',
    'AmazonSSM.GetParametersByPath',
    { Path: '/p', MaxResults: 11 },
    'MaxResults is 11, expected a value of at most 10',
  ],
  [
    'with a string that does not match its pattern',
    `${CLOUDWATCH}.PutMetricData`,
    { ...metric({ Value: 1 }), Namespace: ':n' },
    'Namespace is ":n", expected to match [^:].*',
  ],
  [
    'with a list that is too long',
    `${DYNAMODB}.TransactGetItems`,
    { TransactItems: [] },
    'TransactItems is [], expected a length of at least 1',
  ],
  [
    'with two members of a union',
    'bedrock-runtime.Converse',
    { modelId: 'model', messages: [{ role: 'user', content: [{ text: 'Hi', cachePoint: { type: 'default' } }] }] },
    'messages[0].content[0] has the members text, cachePoint, expected exactly one',
  ],
  [
    'with bytes that are not base64',
    `${DYNAMODB}.GetItem`,
    { TableName: 'table', Key: { id: { B: '%' } } },
    'Key.id.B is not base64',
  ],
  ['with a body that is not JSON', `${ECS}.ListTasks`, '{', 'the body is not JSON'],
  ['for an operation that does not exist', `${ECS}.ListTask`, {}, 'the service has no such operation'],
])('a request is refused %s', async (_, target, body, problem) => {
  const { status, type, message } = await send(target, body);
  expect({ status, type }).toEqual({ status: 400, type: 'ValidationException' });
  expect(message).toContain(problem);
  expect(takeRefusedRequests()).toEqual([expect.stringContaining(problem)]);
});

test('a refusal does not contain a secret', async () => {
  const { message } = await send('secretsmanager.PutSecretValue', { SecretId: 's', SecretString: '' });
  expect(message).toContain('SecretString is a secret, expected a length of at least 1');
  expect(takeRefusedRequests()).toHaveLength(1);
});

test('a refusal lists all problems with the service and the operation, also for requests that local Fargate answers', async () => {
  for (const url of [emulator.url, fargate.url]) {
    const { type, message } = await send(`${ECS}.DescribeTasks`, { cluster: 7, include: ['ALL'] }, url);
    expect(type).toBe('ValidationException');
    expect(message).toBe(
      "AWS's service model refuses ecs DescribeTasks: the request has no tasks, which is required; " +
        'cluster is 7, expected a string; include[0] is "ALL", expected one of TAGS',
    );
  }
  expect(takeRefusedRequests()).toHaveLength(2);
});

test('a request to a service without a check is answered, but fails the test', async () => {
  const authorization = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host';
  const headers = {
    authorization,
    'x-amz-target': 'AmazonSQS.ListQueues',
    'content-type': 'application/x-amz-json-1.0',
  };
  expect((await fetch(emulator.url, { method: 'POST', headers, body: '{}' })).status).toBe(200);
  expect(takeRefusedRequests()).toEqual(['sqs: not checked against a service model; see service_models.py']);
});

test('an allowed request is answered', async () => {
  const namespace = {
    Namespace: 'elastic',
    MetricData: [{ MetricName: 'm', Value: 1, Unit: 'Count', Timestamp: 1.5 }],
  };
  expect((await send(`${CLOUDWATCH}.PutMetricData`, namespace)).status).toBe(200);
  expect((await send(`${ECS}.ListTasks`, { cluster: 'none' }, fargate.url)).type).toBe('ClusterNotFoundException');
});

test('a compressed request, as large ones are, is checked and answered too', async () => {
  const send = (datum: object) => {
    const headers = {
      'x-amz-target': `${CLOUDWATCH}.PutMetricData`,
      'content-encoding': 'gzip',
      authorization: AS_ROOT,
    };
    const body = gzipSync(JSON.stringify(metric(datum)));
    return fetch(emulator.url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-amz-json-1.0' },
      body,
    });
  };
  expect((await send({ Value: 1 })).status).toBe(200);
  expect((await send({ Value: 'one' })).status).toBe(400);
  expect(takeRefusedRequests()).toHaveLength(1);
});
