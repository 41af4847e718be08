/** The real Temporal server with answers that a test can change: a gRPC proxy for unary calls. */
import { once } from 'node:events';
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface GrpcFront {
  address: string;
  stop(): void;
}

/** The bytes of a message; `call` is the name of the method. */
type Change = (call: string, answer: Buffer) => Buffer;

const FRAME_HEAD = 5;

export async function grpcFront(target: string, change: Change): Promise<GrpcFront> {
  const upstream = connect(`http://${target}`);
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => void sessions.add(session));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    // After a client has given up, for example at its deadline, there is nobody to answer.
    handOn(stream, headers).catch(() => stream.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  async function handOn(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const call = String(headers[':path']).split('/').at(-1) ?? '';
    const asked = upstream.request({ ...headers, ':authority': target });
    stream.pipe(asked);
    let trailers: IncomingHttpHeaders = {};
    asked.on('trailers', (sent) => (trailers = sent));
    const [head] = (await once(asked, 'response')) as [IncomingHttpHeaders];
    const parts: Buffer[] = [];
    for await (const part of asked) parts.push(part as Buffer);
    // An error has no message; its headers or trailers say everything.
    const body = Buffer.concat(parts);
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body.length === 0 ? body : framed(change(call, body.subarray(FRAME_HEAD))));
  }

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      server.close();
    },
  };
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A message without one of its fields, all of which are messages, strings or bytes. */
export function withoutField(field: number, message: Buffer): Buffer {
  const kept: Buffer[] = [];
  for (let at = 0; at < message.length;) {
    const tag = varint(message, at);
    const length = varint(message, tag.next);
    const next = length.next + length.value;
    if (tag.value >> 3 !== field) kept.push(message.subarray(at, next));
    at = next;
  }
  return Buffer.concat(kept);
}

function varint(bytes: Buffer, from: number): { value: number; next: number } {
  let value = 0;
  for (let at = from, factor = 1; ; at += 1, factor *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, next: at + 1 };
  }
}
