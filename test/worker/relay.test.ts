/** The relay between the SDK and the server, alone: see relay.ts. */
import { connect as connectHttp2, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { connect } from '../../worker/temporal/connection.ts';
import { startRelay } from '../../worker/temporal/relay.ts';
import { Authority, notingProxy, tlsProxy } from './temporal-proxies.ts';

jest.setTimeout(120_000);

/** A server that answers each call as `answer` does. */
async function startServer(answer: (stream: ServerHttp2Stream) => void) {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session.on('error', () => undefined));
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    answer(stream);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => sessions.forEach((session) => session.destroy());
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    stop: () => {
      server.close();
      cut();
    },
  };
}

function answerEmpty(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.alloc(5));
}

describe('the relay, with a server,', () => {
  let temporal: LocalTemporal;

  beforeAll(async () => (temporal = await startTemporal()));
  afterAll(() => temporal?.stop());

  it('shortens an activity poll to eleven seconds, and leaves other calls unchanged', async () => {
    const proxy = await notingProxy(temporal.address);
    const connection = await connect({ address: proxy.address, namespace: 'default' });
    const poll = { namespace: 'default', taskQueue: { name: 'relayed' }, identity: 'test' };
    await connection.withDeadline(Date.now() + 70_000, async () => {
      await connection.workflowService.describeTaskQueue({ ...poll, taskQueueType: 1 });
      await connection.workflowService.pollActivityTaskQueue(poll);
    });
    const timeout = (name: string) => proxy.seen.get(name)!.map((headers) => headers['grpc-timeout']);
    expect(timeout('PollActivityTaskQueue')).toEqual(['11S']);
    // What is left of seventy seconds when the call is made.
    expect(timeout('DescribeTaskQueue')).toEqual([expect.stringMatching(/^(6\d|70)\d{6}u$/)]);
    const headers = [...proxy.seen.values()].flat();
    expect(headers.map((each) => each[':authority'])).toEqual(headers.map(() => proxy.address));
    expect(headers.filter((each) => 'elastic-workers-relay' in each)).toEqual([]);
    await connection.close();
    await proxy.stop();
  });

  it('uses TLS to the server, with the name that is in its certificate', async () => {
    const authority = new Authority();
    const noting = await notingProxy(temporal.address);
    const proxy = await tlsProxy(noting.address, authority);
    const serverRootCACertificate = readFileSync(authority.certificatePath);
    const tls = { serverNameOverride: 'localhost', serverRootCACertificate };
    const connection = await connect({ address: proxy.address, namespace: 'default', tls });
    const names = [...noting.seen.values()].flat().map((headers) => headers[':authority']);
    expect(new Set(names)).toEqual(new Set(['localhost']));
    await connection.close();
    await proxy.stop();
    await noting.stop();
  });

  it('forwards nothing for another process on the same machine', async () => {
    const relay = await startRelay({ address: temporal.address, tls: undefined });
    const stranger = connectHttp2(`http://${relay.address}`);
    const [error] = await once(stranger.request({ ':path': '/', ':method': 'POST' }), 'error');
    expect(error).toMatchObject({ message: expect.stringContaining('REFUSED_STREAM') });
    stranger.close();
    relay.stop();
  });
});

describe('the relay', () => {
  it('answers open calls as unavailable when the connection breaks, and continues with a new one', async () => {
    const arrived = Promise.withResolvers<void>();
    let answers = false;
    const server = await startServer((stream) => (answers ? answerEmpty(stream) : arrived.resolve()));
    const relay = await startRelay({ address: server.address, tls: undefined });
    const client = connectHttp2(`http://${relay.address}`);
    const request = () =>
      client.request({ ':path': '/any/Call', ':method': 'POST', ...relay.metadata }, { endStream: true });
    const open = request();
    await arrived.promise;
    server.cut();
    expect((await once(open, 'response'))[0]).toMatchObject({ ':status': 200, 'grpc-status': '14' });
    answers = true;
    expect((await once(request().resume(), 'trailers'))[0]).toMatchObject({ 'grpc-status': '0' });
    client.close();
    relay.stop();
    server.stop();
  });

  it('transfers megabytes in both directions, many calls at a time', async () => {
    const server = await startServer((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    const relay = await startRelay({ address: server.address, tls: undefined });
    const client = connectHttp2(`http://${relay.address}`);
    const bodies = Array.from({ length: 20 }, (_, index) => Buffer.alloc(2 * 2 ** 20, index));
    const echo = async (body: Buffer) => {
      const stream = client.request({ ':path': '/any/Call', ':method': 'POST', ...relay.metadata });
      stream.end(body);
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    };
    const echoed = await Promise.all(bodies.map(echo));
    expect(echoed.every((each, index) => each.equals(bodies[index]!))).toBe(true);
    client.close();
    relay.stop();
    server.stop();
  });

  it('says why it cannot reach the server', async () => {
    await expect(startRelay({ address: '127.0.0.1:1', tls: undefined })).rejects.toThrow('ECONNREFUSED');
  });
});
