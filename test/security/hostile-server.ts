/**
 * A server that speaks Temporal's protocol and sends whatever a test wants, including what no well-behaved server would.
 * The field numbers are those of temporal.api.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

interface Answers {
  /** Bytes of a message, an error's text, or undefined: then it never answers. */
  DescribeTaskQueue?: (request: Buffer) => Buffer | string | undefined;
  ListWorkers?: (request: Buffer) => Buffer | string | undefined;
}

export interface HostileServer {
  address: string;
  answers: Answers;
  /** What it returns for every call, instead of an answer. */
  refuse: ((headers: IncomingHttpHeaders) => string) | undefined;
  /** The calls so far, by name. */
  calls: string[];
  stop(): void;
}

export async function startHostileServer(): Promise<HostileServer> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => void sessions.add(session));
  const hostile: HostileServer = {
    address: '',
    answers: {},
    refuse: undefined,
    calls: [],
    stop: () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const call = String(headers[':path']).split('/').at(-1) as keyof Answers;
    hostile.calls.push(call);
    stream.on('error', () => undefined);
    const request: Buffer[] = [];
    stream.on('data', (part: Buffer) => request.push(part));
    stream.on('end', () => {
      if (hostile.refuse !== undefined) return answer(stream, hostile.refuse(headers), 16);
      const { [call]: answering = () => Buffer.alloc(0) } = hostile.answers;
      const said = answering(Buffer.concat(request));
      if (said !== undefined) answer(stream, said);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  hostile.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return hostile;
}

function answer(stream: ServerHttp2Stream, said: Buffer | string, status = 3): void {
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  if (typeof said === 'string') {
    stream.respond(
      { ...head, 'grpc-status': `${status}`, 'grpc-message': encodeURIComponent(said) },
      { endStream: true },
    );
    return;
  }
  const length = Buffer.alloc(5);
  length.writeUInt32BE(said.length, 1);
  stream.respond(head, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([length, said]));
}

export interface Stats {
  backlog?: bigint;
  ageSeconds?: bigint;
  addRate?: number;
  rateLimit?: number;
}

export function queue({ backlog = 0n, ageSeconds = 0n, addRate = 0, rateLimit }: Stats): Buffer {
  const stats = bytes(5, Buffer.concat([varint(1, backlog), bytes(2, varint(1, ageSeconds)), float(3, addRate)]));
  if (rateLimit === undefined) return stats;
  return Buffer.concat([stats, bytes(7, Buffer.concat([float(1, rateLimit), varint(2, 1n)]))]);
}

export interface Heartbeat {
  key?: string;
  identity?: string;
  host?: string;
  taskQueue: string;
  used?: bigint;
  available?: bigint;
  processed?: bigint;
  failed?: bigint;
  /** Epoch seconds. */
  at?: bigint;
}

/** One page of workers, and the token of the next. */
export function workers(heartbeats: Heartbeat[], nextPage = ''): Buffer {
  const infos = heartbeats.map((heartbeat) => bytes(1, bytes(1, encoded(heartbeat))));
  return Buffer.concat([...infos, bytes(2, Buffer.from(nextPage))]);
}

function encoded(heartbeat: Heartbeat): Buffer {
  const { key = 'key', identity = '', host = '', taskQueue, at = 0n } = heartbeat;
  const { used = 0n, available = 0n, processed = 0n, failed = 0n } = heartbeat;
  const slots = [varint(1, available), varint(2, used), text(3, 'Fixed'), varint(4, processed), varint(5, failed)];
  // Of workflow tasks, activities, Nexus tasks and local activities.
  const kinds = [12, 13, 14, 15].map((field) => bytes(field, Buffer.concat(slots)));
  return Buffer.concat([
    text(1, key),
    text(2, identity),
    bytes(3, text(1, host)),
    text(4, taskQueue),
    varint(8, 1n),
    bytes(10, varint(1, at)),
    ...kinds,
  ]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([number(BigInt((field << 3) | 2)), number(BigInt(value.length)), value]);
}

function varint(field: number, value: bigint): Buffer {
  return Buffer.concat([number(BigInt(field << 3)), number(BigInt.asUintN(64, value))]);
}

function float(field: number, value: number): Buffer {
  const written = Buffer.alloc(4);
  written.writeFloatLE(value);
  return Buffer.concat([number(BigInt((field << 3) | 5)), written]);
}

function number(value: bigint): Buffer {
  const written: number[] = [];
  for (let left = value; ; left >>= 7n) {
    const more = left > 127n;
    written.push(Number(left & 127n) | (more ? 128 : 0));
    if (!more) return Buffer.from(written);
  }
}
