/** How the scaler connects to Temporal: a real server, behind proxies as in production. */
import { channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { startTemporal, type LocalTemporal } from '../../local/temporal.ts';
import type { TemporalPlace } from '../../scaler/read/temporal-connection.ts';
import { QUEUE_TYPES, TemporalReader, type TemporalSignals } from '../../scaler/read/temporal.ts';
import { TemporalFront } from '../faults/fronts.ts';
import { apiKeyProxy, Authority, tlsProxy, type Proxy } from '../worker/temporal-proxies.ts';

jest.setTimeout(120_000);

const authority = new Authority();
const readers: TemporalReader[] = [];
const proxies: Proxy[] = [];
let temporal: LocalTemporal;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  temporal = await startTemporal({ directory: authority.directory });
});

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.close()));
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await temporal?.stop();
});

const home = () => ({ address: temporal.address, namespace: 'default' });
const seconds = (count: number) => 1_800_000_000_000 + count * 1000;
const known = ({ activityQueue, workflowQueue, workers }: TemporalSignals) =>
  [activityQueue, workflowQueue, workers].every((reading) => !('unknown' in reading));

function readerOf(place: TemporalPlace, options: ConstructorParameters<typeof TemporalReader>[1] = {}) {
  const reader = new TemporalReader(place, options);
  readers.push(reader);
  return async (now: number) => {
    const read = await reader.read([{ pool: 'pool', taskQueue: 'a-queue' }], now);
    return read.get('pool') as TemporalSignals;
  };
}

/** A secret that can be rotated, and how often it was read. Calls that are refused during a read must wait for it. */
function secretOf(text: string) {
  const secret = { text, reads: 0 };
  const readSecret = async () => {
    secret.reads += 1;
    await wait(50);
    if (secret.text === '') throw new Error('AccessDeniedException');
    return secret.text;
  };
  return { secret, readSecret };
}

test('a server without TLS on this machine is read', async () => {
  expect(known(await readerOf(home())(seconds(0)))).toBe(true);
});

describe('a rate limit of a queue', () => {
  /** Undefined removes it. */
  async function limit(taskQueueType: 1 | 2, requestsPerSecond: number | undefined): Promise<void> {
    const connection = await Connection.connect({ address: temporal.address });
    const rateLimit = requestsPerSecond === undefined ? {} : { rateLimit: { requestsPerSecond } };
    const update = { updateQueueRateLimit: { ...rateLimit, reason: 'a test' } };
    const request = { namespace: 'default', identity: 'test', taskQueue: 'a-queue', taskQueueType, ...update };
    await connection.workflowService.updateTaskQueueConfig(request);
    await connection.close();
  }

  const limits = async () => {
    const { activityQueue, workflowQueue } = await readerOf(home())(seconds(0));
    if ('unknown' in activityQueue || 'unknown' in workflowQueue) throw new Error('not read');
    return [activityQueue.rateLimit, workflowQueue.rateLimit];
  };

  test('is read if a person has set one, even to zero, and not if the server has only its default', async () => {
    expect(await limits()).toEqual([undefined, undefined]);
    await limit(QUEUE_TYPES.activity, 2.5);
    expect(await limits()).toEqual([2.5, undefined]);
    await limit(QUEUE_TYPES.activity, 0);
    expect(await limits()).toEqual([0, undefined]);
    await limit(QUEUE_TYPES.activity, undefined);
    expect(await limits()).toEqual([undefined, undefined]);
  });

  test('is also read if the workers set it', async () => {
    const connection = await NativeConnection.connect({ address: temporal.address });
    const options = { connection, taskQueue: 'a-queue', activities: { nothing: async () => undefined } };
    const worker = await Worker.create({ ...options, maxTaskQueueActivitiesPerSecond: 7 });
    const told = worker.runUntil(async () => {
      let read = await limits();
      while (read[0] === undefined) read = await limits();
      return read;
    });
    expect(await told).toEqual([7, undefined]);
    await connection.close();
  });
});

describe('an API key from a secret', () => {
  test('is used at once when rotated, and read no more often than needed', async () => {
    const valid = new Set(['old']);
    const proxy = await apiKeyProxy(temporal.address, valid);
    proxies.push(proxy);
    const { secret, readSecret } = secretOf('old');
    const read = readerOf({ address: proxy.address, namespace: 'default', tls: false, secret: 'arn' }, { readSecret });
    expect(known(await read(seconds(0)))).toBe(true);
    expect(known(await read(seconds(10)))).toBe(true);
    expect(secret.reads).toBe(1);

    valid.clear();
    valid.add('new');
    secret.text = 'new';
    expect(known(await read(seconds(20)))).toBe(true);
    expect(secret.reads).toBe(2);
    expect(proxy.seen).toEqual(['old', 'new']);

    valid.clear();
    expect(known(await read(seconds(40)))).toBe(false);
    expect(secret.reads).toBe(3);
  });

  test('is read every few minutes even without failures, and stays in use while it cannot be read', async () => {
    const proxy = await apiKeyProxy(temporal.address, new Set(['old', 'new']));
    proxies.push(proxy);
    const { secret, readSecret } = secretOf('old');
    const problems: string[] = [];
    const read = readerOf(
      { address: proxy.address, namespace: 'default', tls: false, secret: 'arn' },
      { readSecret, onProblem: (message) => problems.push(message) },
    );
    await read(seconds(0));
    secret.text = '';
    expect(known(await read(seconds(300)))).toBe(true);
    expect(problems).toEqual([expect.stringContaining('AccessDeniedException')]);
    secret.text = 'new';
    expect(known(await read(seconds(600)))).toBe(true);
    expect(proxy.seen.at(-1)).toBe('new');
  });

  test('that cannot be read makes the queue unknown, with the reason but without the key', async () => {
    const { readSecret } = secretOf('');
    const { activityQueue } = await readerOf({ ...home(), secret: 'the-secret' }, { readSecret })(seconds(0));
    expect(activityQueue).toEqual({ unknown: expect.stringContaining('the secret the-secret') });
  });
});

test('a client certificate from a secret is used, and so is its replacement', async () => {
  const proxy = await tlsProxy(temporal.address, authority, { clients: true });
  proxies.push(proxy);
  const textOf = (name: string) => {
    const { certificate, key } = authority.issue(name);
    return JSON.stringify({
      TEMPORAL_TLS_CLIENT_CERT_DATA: certificate,
      TEMPORAL_TLS_CLIENT_KEY_DATA: key,
      TEMPORAL_TLS_SERVER_CA_CERT_DATA: readFileSync(authority.certificatePath, 'utf8'),
    });
  };
  const { secret, readSecret } = secretOf(textOf('first'));
  const now = Date.now();
  const read = readerOf({ address: proxy.address, namespace: 'default', tls: true, secret: 'arn' }, { readSecret });
  expect(known(await read(now))).toBe(true);
  secret.text = textOf('second');
  expect(known(await read(now + 300_000))).toBe(true);
  expect([...new Set(proxy.seen)]).toEqual(['first', 'second']);
});

test('a server with an expired certificate is unknown, with the reason, and known again with a new one', async () => {
  const proxy = await tlsProxy(temporal.address, authority, { expired: true });
  proxies.push(proxy);
  const trusting = JSON.stringify({
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: readFileSync(authority.certificatePath, 'utf8'),
  });
  const { readSecret } = secretOf(trusting);
  const read = readerOf({ address: proxy.address, namespace: 'default', tls: true, secret: 'arn' }, { readSecret });
  const whileExpired = await read(seconds(0));
  for (const each of Object.values(whileExpired)) {
    expect(each).toEqual({ unknown: expect.stringMatching(/certificate has expired/) });
  }
  proxy.renew();
  let now = 0;
  // gRPC retries within a second, however long the certificate was bad.
  while (!known(await read(seconds((now += 10)))));
});

describe('pools on several servers', () => {
  const place = (address: string, namespace = 'default') => ({ address, namespace, tls: false });

  test('are read in parallel: a server that refuses, hangs or lacks the namespace leaves the others known', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const reader = new TemporalReader(home());
    readers.push(reader);
    const read = await reader.read(
      [
        { pool: 'at home', taskQueue: 'a' },
        { pool: 'same server', taskQueue: 'a', temporal: place(temporal.address) },
        { pool: 'no such namespace', taskQueue: 'a', temporal: place(temporal.address, 'nowhere') },
        { pool: 'refuses', taskQueue: 'a', temporal: place('127.0.0.1:1') },
        { pool: 'hangs', taskQueue: 'a', temporal: place(`127.0.0.1:${(silent.address() as AddressInfo).port}`) },
      ],
      Date.now(),
    );
    sockets.forEach((socket) => socket.destroy());
    silent.close();
    expect([...read].filter(([, signals]) => known(signals)).map(([pool]) => pool)).toEqual(['at home', 'same server']);
  });
});

describe('many idle task queues', () => {
  const pools = Array.from({ length: 100 }, (_, number) => ({ pool: `p${number}`, taskQueue: `rest-${number}` }));
  const resting = pools.map((pool) => ({ ...pool, atRest: true }));
  const carried = ({ activityQueue }: TemporalSignals) => 'readSecondsAgo' in activityQueue;

  /** The number of queue reads that the server gets meanwhile. */
  async function asked(read: () => Promise<unknown>): Promise<number> {
    let count = 0;
    const note = (message: unknown) => {
      const { headers } = message as { headers: Record<string, string> };
      if (headers[':path']?.endsWith('DescribeTaskQueue')) count += 1;
    };
    channel('http2.client.stream.created').subscribe(note);
    await read();
    channel('http2.client.stream.created').unsubscribe(note);
    return count;
  }

  async function readOnce(address: string): Promise<TemporalReader> {
    const reader = new TemporalReader({ address, namespace: 'default' });
    readers.push(reader);
    // A server that does not know the queues yet is slow at the first reading of each.
    while (![...(await reader.read(pools, seconds(0))).values()].every(known));
    return reader;
  }

  test('are read in the order of their last reading: none is skipped tick after tick', async () => {
    const reader = await readOnce(temporal.address);
    await reader.read(resting.slice(0, 50), seconds(30));
    const order: string[] = [];
    const reads = [...reader.readEach(resting, seconds(60))];
    await Promise.all(reads.map(([pool, signals]) => signals.then(() => order.push(pool))));
    expect(order.slice(0, 10).filter((pool) => Number(pool.slice(1)) < 50)).toEqual([]);
  });

  test('are read as often as fifty readings per second allow, and new work is seen', async () => {
    const reader = await readOnce(temporal.address);
    expect(await asked(() => reader.read(resting, seconds(0.9)))).toBe(0);
    const [one = resting[0]!, ...others] = resting;
    expect(await asked(() => reader.read([...others, { ...one, atRest: false }], seconds(0.9)))).toBe(2);

    const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
    await client.workflow.start('any', { taskQueue: 'rest-7', workflowId: 'any' });
    await client.connection.close();
    let now = 1;
    const waits = async () => (await reader.read(resting, seconds((now += 10)))).get('p7')?.workflowQueue;
    // The server's own answer is up to five seconds old.
    for (let queue = await waits(); !(queue && 'backlog' in queue && queue.backlog === 1); queue = await waits());
  });

  test('that were not read in time keep their last reading for a minute, unless they have work, and are read first next tick', async () => {
    const front = new TemporalFront(temporal.address);
    const reader = await readOnce(await front.start());
    front.fail('slow');
    const read = await reader.read([...resting.slice(0, 99), pools[99]!], seconds(30));
    const [late, early] = [read.get('p98')!, read.get('p0')!];
    expect(carried(late)).toBe(true);
    expect(late.activityQueue).toMatchObject({ backlog: 0, readSecondsAgo: 30 });
    expect(carried(early)).toBe(false);
    expect(known(read.get('p99')!)).toBe(false);
    const later = await reader.read(resting, seconds(90));
    expect([...later.values()].filter(carried)).toEqual([]);

    front.fail(undefined);
    const reads = reader.readEach(pools, seconds(100));
    const order = [...reads.keys()];
    await Promise.all(reads.values());
    expect(order.indexOf('p98')).toBeLessThan(order.indexOf('p0'));
    front.stop();
  });
});
