/** Proxies that let the outside world fail: TCP in front of Temporal, and HTTP in front of AWS. */
import { createServer as createHttpServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Longer than any caller waits. */
const LATE_MS = 5000;

export type TemporalFault = 'unreachable' | 'slow' | 'reset';

export class TemporalFront {
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #target: string;
  #fault: TemporalFault | undefined;

  constructor(target: string) {
    this.#target = target;
  }

  start(): Promise<string> {
    return listening(this.#server);
  }

  fail(fault: TemporalFault | undefined): void {
    this.#fault = fault;
    if (fault === 'unreachable' || fault === 'reset') for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    if (this.#fault === 'unreachable') return void socket.destroy();
    const [host = '', port] = this.#target.split(':');
    const upstream = connect(Number(port), host);
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk: Buffer) => this.#hand(chunk, from, to));
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  #hand(chunk: Buffer, from: Socket, to: Socket): void {
    if (this.#fault === 'reset') from.resetAndDestroy();
    else if (this.#fault === 'slow') setTimeout(() => to.writable && to.write(chunk), LATE_MS);
    else if (to.writable) to.write(chunk);
  }
}

export type AwsService = 'ecs' | 'dynamodb' | 'monitoring' | 'ssm';
export type AwsFault = 'throttled' | 'failing' | 'denied' | 'late' | 'reset';

const ANSWERS: Record<Exclude<AwsFault, 'late' | 'reset'>, [status: number, type: string]> = {
  throttled: [400, 'ThrottlingException'],
  failing: [500, 'InternalServerError'],
  denied: [400, 'AccessDeniedException'],
};

export class AwsFront {
  readonly #server = createHttpServer((asked, answer) => this.#serve(asked, answer));
  readonly #faults = new Map<string, AwsFault>();
  readonly struck = new Map<string, number>();
  #target = '';

  start(): Promise<string> {
    return listening(this.#server).then((address) => `http://${address}`);
  }

  handOnTo(target: string): void {
    this.#target = target;
  }

  fail(service: AwsService, fault: AwsFault | undefined): void {
    if (fault === undefined) this.#faults.delete(service);
    else this.#faults.set(service, fault);
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #serve(asked: IncomingMessage, answer: ServerResponse): void {
    // AWS4-HMAC-SHA256 Credential=key/date/region/service/aws4_request, …
    const service = asked.headers.authorization?.split('/')[3] ?? '';
    const fault = this.#faults.get(service);
    if (fault === undefined) return this.#handOn(asked, answer);
    this.struck.set(service, (this.struck.get(service) ?? 0) + 1);
    if (fault === 'reset') return void asked.socket.resetAndDestroy();
    if (fault === 'late') return void setTimeout(() => this.#handOn(asked, answer), LATE_MS);
    const [status, type] = ANSWERS[fault];
    asked.resume();
    answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type });
    answer.end(JSON.stringify({ __type: type, message: 'injected' }));
  }

  #handOn(asked: IncomingMessage, answer: ServerResponse): void {
    const { method, headers, url } = asked;
    const onward = request(`${this.#target}${url}`, { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    asked.on('error', () => onward.destroy());
    asked.pipe(onward);
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
