/**
 * The relay's thread (see relay.ts): HTTP/2 from the SDK on this machine, HTTP/2 to the server, call by call. It is a separate thread
 * because an activity may block its own thread for minutes. All gRPC calls here are unary: request and answer are each forwarded
 * when complete, so that a broken connection also becomes an answer (UNAVAILABLE), which the SDK retries.
 */
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { getCACertificates, type SecureContextOptions } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { RECORD_HEARTBEAT, withSlots } from './heartbeat-slots.ts';
import { watchPulse } from '../processes/pulse.ts';
import { RELAY_SECRET_HEADER, type RelayData, type RelayStarted } from './relay.ts';

/**
 * The SDK gives its polls 70 seconds, so that the server ends them at its own limit, a minute by default; and 11 seconds after a
 * burst. The server ends a poll a second before its deadline, and rejects deadlines below ten seconds.
 */
const POLL_TIMEOUT = '11S';
const POLL = '/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue';

const CONNECT_TIMEOUT_MS = 10_000;
/** As in the SDK's own connections. */
const PING_EVERY_MS = 30_000;
const PING_TIMEOUT_MS = 15_000;

/** Window sizes of a stream and of a connection: Node's defaults are small for payloads of megabytes. */
const STREAM_WINDOW = 4 * 2 ** 20;
const CONNECTION_WINDOW = 64 * 2 ** 20;
/** More than all open calls of the SDK may carry, because a session that exceeds it resets them. */
const SESSION_MEMORY_MB = 1024;

const { address, tls, reportedSlots, pulse, secret } = workerData as RelayData;
const common = {
  settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
  maxSessionMemory: SESSION_MEMORY_MB,
};
const clients = new Set<ServerHttp2Session>();
let upstream = connectUpstream();
let stopping = false;

const server = createServer(common);
server.on('session', serve);
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  relay(stream, headers).catch((error: unknown) => stream.destroy(error as Error));
});
server.on('sessionError', () => undefined);

upstream.once('remoteSettings', () =>
  server.listen(0, '127.0.0.1', () => started({ port: (server.address() as AddressInfo).port })),
);
upstream.once('close', () => !server.listening && started({ why: 'the server closed the connection' }));
upstream.once('error', (error) => !server.listening && started({ why: error.message }));
setInterval(ping, PING_EVERY_MS).unref();
if (pulse) watchPulse(pulse);
parentPort!.on('message', () => {
  stopping = true;
  endIfUnused();
});

function started(message: RelayStarted): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort!.postMessage(message);
  if ('why' in message) parentPort!.close();
}

function serve(session: ServerHttp2Session): void {
  session.setLocalWindowSize(CONNECTION_WINDOW);
  session.on('error', () => undefined);
  clients.add(session);
  session.once('close', () => {
    clients.delete(session);
    endIfUnused();
  });
}

/** The SDK keeps a closed connection until its last call on it has ended. */
function endIfUnused(): void {
  if (!stopping || clients.size > 0) return;
  server.close();
  upstream.close();
  parentPort!.close();
}

async function relay(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  if (headers[RELAY_SECRET_HEADER] !== secret) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
  const request = await whole(stream);
  if (stream.closed) return;
  const { head, body, trailers } = await ask(stream, passedOn(headers), amended(headers, request));
  if (stream.closed) return;
  const endStream = body === undefined && trailers === undefined;
  stream.respond(head, { endStream, waitForTrailers: trailers !== undefined });
  if (trailers !== undefined) stream.once('wantTrailers', () => stream.closed || stream.sendTrailers(trailers));
  if (!endStream) stream.end(body);
}

interface Answer {
  head: OutgoingHttpHeaders;
  body?: Buffer | undefined;
  trailers?: OutgoingHttpHeaders | undefined;
}

/** Aborted when the SDK aborts `stream`. */
async function ask(stream: ServerHttp2Stream, headers: OutgoingHttpHeaders, request?: Buffer): Promise<Answer> {
  let why = 'the connection to the server broke';
  let head: OutgoingHttpHeaders | undefined;
  let trailers: OutgoingHttpHeaders | undefined;
  try {
    const call = current().request(headers);
    stream.once('close', () => call.close(constants.NGHTTP2_CANCEL));
    call.on('error', (error) => (why = error.message));
    call.on('response', (given) => (head = given));
    call.on('trailers', (given) => (trailers = given));
    call.end(request);
    const body = await whole(call);
    if (head === undefined || call.aborted || call.rstCode !== constants.NGHTTP2_NO_ERROR) return unavailable(why);
    return { head, body, trailers };
  } catch (error) {
    return unavailable((error as Error).message);
  }
}

function passedOn(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = { ...headers };
  for (const name of [':authority', ':scheme', RELAY_SECRET_HEADER]) delete passed[name];
  if (headers[':path'] === POLL) passed['grpc-timeout'] = POLL_TIMEOUT;
  const name = serverNameOverride();
  if (name !== undefined) passed[':authority'] = name;
  return passed;
}

function amended(headers: IncomingHttpHeaders, request?: Buffer): Buffer | undefined {
  const slots = Atomics.load(reportedSlots, 0);
  return request && slots > 0 && headers[':path'] === RECORD_HEARTBEAT ? withSlots(request, slots) : request;
}

/** Resolves when nothing more comes, for whatever reason. */
function whole(stream: Http2Stream): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const settle = () => resolve(chunks.length > 1 ? Buffer.concat(chunks) : chunks[0]);
    stream.once('end', settle).once('close', settle);
  });
}

function unavailable(why: string): Answer {
  const status = { 'grpc-status': '14', 'grpc-message': encodeURIComponent(why) };
  return { head: { ':status': 200, 'content-type': 'application/grpc', ...status } };
}

/** The server ends each connection after some minutes: open calls continue on it, new ones use another connection. */
function current(): ClientHttp2Session {
  if (upstream.closed || upstream.destroyed) upstream = connectUpstream();
  return upstream;
}

function connectUpstream(): ClientHttp2Session {
  const session = connect(`${tls ? 'https' : 'http'}://${address}`, { ...common, ...secureContext() });
  const overdue = setTimeout(() => session.destroy(new Error('no answer')), CONNECT_TIMEOUT_MS);
  session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW));
  session.once('remoteSettings', () => clearTimeout(overdue));
  session.once('close', () => clearTimeout(overdue));
  session.on('error', () => undefined);
  session.on('goaway', () => session.close());
  return session;
}

function ping(): void {
  if (upstream.connecting || upstream.destroyed) return;
  const pinged = upstream;
  const overdue = setTimeout(() => pinged.destroy(), PING_TIMEOUT_MS);
  pinged.ping(() => clearTimeout(overdue));
}

function serverNameOverride(): string | undefined {
  return typeof tls === 'object' ? tls.serverNameOverride : undefined;
}

function secureContext(): SecureContextOptions & { servername?: string } {
  const { serverRootCACertificate, clientCertPair } = typeof tls === 'object' ? tls : {};
  const servername = serverNameOverride();
  return {
    ca: serverRootCACertificate ? Buffer.from(serverRootCACertificate) : trusted(),
    ...(clientCertPair && { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) }),
    ...(servername !== undefined && { servername }),
  };
}

/** Node's own certificate authorities, and those added to the image or machine. */
function trusted(): string[] {
  return tls ? [...getCACertificates('default'), ...getCACertificates('system')] : [];
}
