/** Proxies in front of Temporal as in production: TLS with or without client certificates, and a check of the API key. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import {
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { createServer as createTlsServer } from 'node:tls';

export interface Proxy {
  address: string;
  stop(): Promise<void>;
}

interface Certificate {
  certificate: string;
  key: string;
  certificatePath: string;
  keyPath: string;
}

/** Certificates of a private authority, for servers on this machine and for clients. */
export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), 'certificates-'));
  readonly certificatePath = join(this.directory, 'authority.pem');
  #count = 0;

  constructor() {
    const subject = ['-subj', '/CN=authority', '-days', '2'];
    this.#openssl('req', '-x509', ...newKey('authority.key'), '-out', 'authority.pem', ...subject);
  }

  issue(name: string, days = 1): Certificate {
    const file = `${name}-${(this.#count += 1)}`;
    writeFileSync(join(this.directory, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    this.#openssl('req', ...newKey(`${file}.key`), '-out', `${file}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial', '-days', `${days}`];
    this.#openssl('x509', '-req', '-in', `${file}.csr`, '-out', `${file}.pem`, ...signing, '-extfile', 'names');
    const [certificatePath, keyPath] = [join(this.directory, `${file}.pem`), join(this.directory, `${file}.key`)];
    const read = (path: string) => readFileSync(path, 'utf8');
    return { certificate: read(certificatePath), key: read(keyPath), certificatePath, keyPath };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: 'ignore' });
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}

/** Ends TLS; `seen` has the subject of each client certificate, in the order of the connections. `renew` gives it a certificate that is valid. */
export async function tlsProxy(target: string, authority: Authority, { clients = false, expired = false } = {}) {
  const seen: string[] = [];
  const { certificate: cert, key } = authority.issue('server', expired ? -1 : 1);
  const ca = readFileSync(authority.certificatePath);
  const tls = { cert, key, ca, requestCert: clients, rejectUnauthorized: clients, ALPNProtocols: ['h2'] };
  const server = createTlsServer(tls, (socket) => {
    const name = socket.getPeerCertificate().subject?.CN;
    seen.push(Array.isArray(name) ? (name[0] ?? '') : (name ?? ''));
    const upstream = connect(Number(target.split(':')[1]), '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    for (const each of [socket, upstream]) each.on('error', () => each.destroy());
  });
  const renew = () => {
    const { certificate, key } = authority.issue('server');
    server.setSecureContext({ ...tls, cert: certificate, key });
  };
  return { ...(await listening(server)), seen, renew };
}

/** Forwards calls with a valid API key, and records all keys. */
export async function apiKeyProxy(target: string, valid: Set<string>) {
  const seen: string[] = [];
  const proxy = await callProxy(target, (stream, headers) => {
    const key = String(headers.authorization ?? '').replace('Bearer ', '');
    if (seen.at(-1) !== key) seen.push(key);
    if (valid.has(key)) return false;
    answerWithStatus(stream, 16);
    return true;
  });
  return { ...proxy, seen };
}

/** Forwards every call, and records its headers by its name. */
export async function notingProxy(target: string) {
  const seen = new Map<string, IncomingHttpHeaders[]>();
  const proxy = await callProxy(target, (_, headers) => {
    const call = String(headers[':path']).split('/').at(-1)!;
    seen.set(call, [...(seen.get(call) ?? []), headers]);
    return false;
  });
  return { ...proxy, seen };
}

/** How a server, or a proxy in front of it, refuses a call: a gRPC status, an HTTP status with a page, or GOAWAY. */
export type Refusal = number | `http ${number}` | 'goaway';

/** Refuses every call while `refusal` is set. `onReport` gets the message of each refused activity result. */
export async function refusingProxy(target: string, onReport?: (message: Buffer) => void) {
  const state: { refusal: Refusal | undefined; refused: Map<string, number> } = {
    refusal: undefined,
    refused: new Map(),
  };
  const proxy = await callProxy(target, (stream, headers) => {
    const { refusal, refused } = state;
    if (refusal === undefined) return false;
    const call = String(headers[':path']).split('/').at(-1)!;
    refused.set(call, (refused.get(call) ?? 0) + 1);
    if (onReport === undefined || !call.startsWith('RespondActivityTask')) refuse(stream, refusal);
    else void read(stream).then((message) => (onReport(message), refuse(stream, refusal)));
    return true;
  });
  return { ...proxy, state };
}

/** The message of a call, without gRPC's prefix: whether it is compressed, and its length. */
async function read(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
  const body = Buffer.concat(chunks);
  return body[0] === 1 ? gunzipSync(body.subarray(5)) : body.subarray(5);
}

function refuse(stream: ServerHttp2Stream, refusal: Refusal): void {
  if (stream.destroyed) return;
  if (typeof refusal === 'number') return answerWithStatus(stream, refusal);
  if (refusal === 'goaway') return stream.session?.goaway(0, stream.id! - 2);
  stream.respond({ ':status': Number(refusal.replace('http ', '')), 'content-type': 'text/html' });
  stream.end('<html>from a load balancer</html>');
}

function answerWithStatus(stream: ServerHttp2Stream, status: number): void {
  stream.respond({ 'content-type': 'application/grpc', 'grpc-status': `${status}`, 'grpc-message': 'refused' });
  stream.end();
}

/** Forwards calls, unless `takes` has answered one. */
async function callProxy(
  target: string,
  takes: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean,
): Promise<Proxy> {
  // The server ends each connection after some minutes: running calls continue on it, new ones use another.
  let upstream: ClientHttp2Session | undefined;
  const upstreams = new Set<ClientHttp2Session>();
  const current = () => {
    if (upstream && !upstream.closed && !upstream.destroyed) return upstream;
    const opened = connectHttp2(`http://${target}`);
    upstreams.add((upstream = opened));
    opened.on('error', () => undefined);
    opened.on('goaway', () => upstream === opened && (upstream = undefined));
    opened.on('close', () => upstreams.delete(opened));
    return opened;
  };
  const server = createHttp2Server();
  server.on('session', (session) => session.on('error', () => undefined));
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    if (takes(stream, headers)) return;
    const call = current().request(headers);
    call.on('response', (answer, flags) => {
      const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (!stream.destroyed) stream.respond(answer, endStream ? { endStream } : { waitForTrailers: true });
      if (endStream) return;
      call.on('trailers', (trailers) => stream.once('wantTrailers', () => stream.sendTrailers(trailers)));
      call.pipe(stream);
    });
    stream.pipe(call);
    call.on('error', () => stream.destroy());
    stream.on('close', () => call.close());
  });
  const { address, stop } = await listening(server as unknown as Server);
  return { address, stop: () => stop().finally(() => upstreams.forEach((each) => each.destroy())) };
}

async function listening(server: Server): Promise<Proxy> {
  const sockets = new Set<{ destroy(): void }>();
  let stopped = false;
  // A client retries at once, so a call may arrive while the server closes.
  server.on('connection', (socket) => (stopped ? socket.destroy() : sockets.add(socket)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      stopped = true;
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
