import { SSMClient } from '@aws-sdk/client-ssm';
import { poolConfigSchema } from '../../contract/pool-config.ts';
import { ConfigError, PoolReader, readScalerConfig } from '../../scaler/config.ts';

const environment = {
  TEMPORAL_ADDRESS: 'server:7233',
  ELASTIC_WORKERS_STATE_TABLE: 'state',
  ELASTIC_WORKERS_POOLS_PATH: '/elastic-workers/stack',
};

test('optional settings have defaults', () => {
  expect(readScalerConfig(environment)).toEqual({
    temporal: { address: 'server:7233', namespace: 'default' },
    stateTable: 'state',
    poolsPath: '/elastic-workers/stack',
    stack: 'stack',
    tickSeconds: 10,
    mode: 'act',
    metrics: 'essential',
  });
});

test('the environment sets TLS, the secret and the metrics', () => {
  const more = {
    TEMPORAL_NAMESPACE: 'prod',
    TEMPORAL_TLS: 'false',
    ELASTIC_WORKERS_TEMPORAL_SECRET: 'the-secret',
    ELASTIC_WORKERS_METRICS: 'full',
  };
  const { temporal, metrics } = readScalerConfig({ ...environment, ...more });
  expect(temporal).toEqual({ address: 'server:7233', namespace: 'prod', tls: false, secret: 'the-secret' });
  expect(metrics).toBe('full');
});

test('all invalid values are reported at once', () => {
  const wrong = { TEMPORAL_TLS: 'yes', ELASTIC_WORKERS_METRICS: 'all', ELASTIC_WORKERS_MODE: 'dry' };
  const read = () => readScalerConfig({ ...environment, ...wrong });
  expect(read).toThrow(ConfigError);
  for (const name of Object.keys(wrong)) expect(read).toThrow(name);
});

test('by default a pool’s workers protect their tasks, and use the scaler’s Temporal', () => {
  const pool = { pool: 'a', taskQueue: 'q', cluster: 'c', service: 's', taskRoleId: 'AROA', policy: {} };
  expect(poolConfigSchema.parse(pool)).toEqual({ ...pool, protection: 'worker' });
  const temporal = { address: 'x.tmprl.cloud:7233', namespace: 'prod.1', tls: true, secret: 'arn' };
  expect(poolConfigSchema.parse({ ...pool, temporal, protection: 'sidecar' })).toMatchObject({ temporal });
  expect(poolConfigSchema.safeParse({ ...pool, temporal: { ...temporal, apiKey: 'no' } }).success).toBe(false);
});

test('while the pools cannot be read, the scaler continues with the last ones read, and says so', async () => {
  const pool = { pool: 'a', taskQueue: 'q', cluster: 'c', service: 's', taskRoleId: 'AROA', policy: {} };
  const answers: (object | Error)[] = [
    new Error('no way to SSM'),
    { Parameters: [{ Name: '/p/a', Value: JSON.stringify(pool) }] },
    new Error('no way to SSM'),
  ];
  const client = new SSMClient({ region: 'eu-west-1' });
  client.send = async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const reader = new PoolReader(client, '/p');
  await expect(reader.read()).rejects.toThrow('no way to SSM');
  const read = await reader.read();
  expect(read.pools).toMatchObject([pool]);
  await expect(reader.read()).resolves.toEqual({ pools: read.pools, problems: [expect.stringContaining('SSM')] });
});

test('of a hundred pools, one with a damaged parameter is reported, and the others are read', async () => {
  const pool = { taskQueue: 'q', cluster: 'c', service: 's', taskRoleId: 'AROA', policy: {} };
  const Parameters = Array.from({ length: 100 }, (_, number) => ({
    Name: `/p/${number}`,
    Value: number === 42 ? '{"pool": "42", "policy": {"maxTasks": -1}' : JSON.stringify({ ...pool, pool: `${number}` }),
  }));
  const client = new SSMClient({ region: 'eu-west-1' });
  client.send = async () => ({ Parameters });
  const { pools, problems } = await new PoolReader(client, '/p').read();
  expect(pools).toHaveLength(99);
  expect(problems).toEqual([expect.stringContaining('/p/42')]);
});
