/** ECS's endpoints and the state table, as far as a sidecar uses them; and the built sidecar, run with a process of the test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { sidecarCommand } from '../../contract/sidecar.ts';
import { fakeProc } from './fake-proc.ts';

const DIRECTORY = join(import.meta.dirname, '../../dist/sidecar');
const TASK = '0123456789abcdef0123456789abcdef';

export interface Line {
  level: string;
  message: string;
  [field: string]: unknown;
}

export class Stage {
  cordoned = false;
  deploying = false;
  tickAt: () => number = Date.now;
  /** What ECS answers to a request for protection. */
  refusal: { Reason: string } | undefined;
  protected = false;
  /** Of the worker's container. */
  containerId = 'worker-1';
  readonly calls: string[] = [];
  readonly lines: Line[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'sidecar-'));
  readonly #proc = fakeProc(join(this.#directory, 'proc'));
  readonly #server = createServer((request, response) => {
    // A process killed during its request gets no answer.
    this.#answer(request, response).catch(() => response.destroy());
  });
  readonly #children: ChildProcess[] = [];

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A process that prints when it gets SIGTERM, and exits `ENDS_AFTER_MS` later, or never. */
  async worker(
    endsAfterMs: number | undefined,
  ): Promise<{ ended: Promise<void>; terms: () => number; kill: () => void }> {
    const program = `
      setInterval(() => {}, 1000);
      process.on('SIGTERM', () => { console.log('SIGTERM'); ${endsAfterMs === undefined ? '' : `setTimeout(() => process.exit(), ${endsAfterMs});`} });
      console.log('ready');`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    const said: string[] = [];
    createInterface({ input: child.stdout! }).on('line', (line) => said.push(line));
    await this.until(() => said.includes('ready'));
    this.#proc.add(child.pid!, this.containerId);
    const ended = once(child, 'exit').then(() => this.#proc.remove(child.pid!));
    return {
      ended,
      terms: () => said.filter((line) => line === 'SIGTERM').length,
      kill: () => void child.kill('SIGKILL'),
    };
  }

  #containers(): object[] {
    const status = { KnownStatus: 'RUNNING' };
    return [
      { Name: 'worker', DockerId: this.containerId, ...status },
      { Name: 'protect', DockerId: 'protect-0', ...status },
      { Name: 'sidecar', DockerId: 'sidecar-2', ...status },
    ];
  }

  /** Another container's process. */
  other(pid: number): void {
    this.#proc.add(pid, 'protect-0');
  }

  /** A sidecar's environment. */
  environment(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    return {
      ELASTIC_WORKERS_POOL: 'pool',
      ELASTIC_WORKERS_STATE_TABLE: 'state',
      ELASTIC_WORKERS_TASK_ROLE_ID: 'AROA',
      ELASTIC_WORKERS_CORDON_POLL_SECONDS: '0.2',
      ELASTIC_WORKERS_REMIND_SECONDS: '1',
      ECS_AGENT_URI: url,
      ECS_CONTAINER_METADATA_URI_V4: url,
      AWS_REGION: 'us-east-1',
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/credentials`,
      AWS_ENDPOINT_URL_DYNAMODB: url,
    };
  }

  sidecar(command: 'protect' | 'follow', environment: Record<string, string> = {}) {
    const [, ...args] = sidecarCommand(command);
    const child = spawn(process.execPath, args, {
      cwd: DIRECTORY,
      env: {
        HOST_PROC: this.#proc.directory,
        ...this.environment(),
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    this.listen(child);
    this.#proc.add(child.pid!, 'sidecar-2');
    return {
      // Not at its exit, when its last output may still be buffered.
      ended: once(child, 'close').then(([code]) => code as number | null),
      terminate: () => void child.kill('SIGTERM'),
      isRunning: () => child.exitCode === null && child.signalCode === null,
    };
  }

  /** Collects the sidecar's log. */
  listen(child: ChildProcess): void {
    createInterface({ input: child.stdout! }).on('line', (line) => this.lines.push(JSON.parse(line) as Line));
  }

  said(part: string): Line | undefined {
    return this.lines.find(({ message }) => message.includes(part));
  }

  async until(condition: () => unknown): Promise<void> {
    const giveUpAt = Date.now() + 45_000;
    while (!condition()) {
      if (Date.now() > giveUpAt) throw new Error(`never: ${condition}\n${JSON.stringify(this.lines, null, 1)}`);
      await delay(20);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const part of request) body += String(part);
    response.end(JSON.stringify(this.#answerTo(request, body)));
  }

  #answerTo({ method, url = '', headers }: IncomingMessage, body: string): object {
    if (method === 'PUT') return this.#protection(JSON.parse(body) as { ProtectionEnabled: boolean });
    if (url === '/task') {
      return {
        TaskARN: `arn:aws:ecs:us-east-1:1:task/c/${TASK}`,
        Containers: this.#containers(),
      };
    }
    if (url === '/credentials') {
      return { AccessKeyId: 'key', SecretAccessKey: 'secret', Token: 'token', Expiration: '2100-01-01T00:00:00Z' };
    }
    if (headers['x-amz-security-token'] !== 'token') return {};
    const scaler = {
      id: { S: 'scaler' },
      tickAt: { N: `${this.tickAt()}` },
      ...(this.deploying && { deploying: { M: { pool: { N: '2' } } } }),
    };
    const cordon = { id: { S: `AROA:${TASK}` } };
    return { Responses: { state: [scaler, ...(this.cordoned ? [cordon] : [])] }, UnprocessedKeys: {} };
  }

  #protection({ ProtectionEnabled }: { ProtectionEnabled: boolean }): object {
    this.calls.push(ProtectionEnabled ? 'protect' : 'lift');
    if (ProtectionEnabled && this.refusal) return { failure: this.refusal };
    this.protected = ProtectionEnabled;
    return { protection: { ProtectionEnabled } };
  }
}
