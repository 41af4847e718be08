/** The ECS endpoints inside a task: the metadata and the agent's task protection, one server for many tasks. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export class FakeEcs {
  readonly #server: Server;
  /** Every requested change of protection, by task. */
  readonly asked = new Map<string, boolean[]>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeEcs> {
    const server = createServer();
    const fake = new FakeEcs(server);
    server.on('request', async (request, response) => {
      // A task killed during its request gets no answer.
      const body = await fake.#answer(request).catch(() => undefined);
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  environmentOf(taskId: string): Record<string, string> {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return { ECS_AGENT_URI: `${url}/api/${taskId}`, ECS_CONTAINER_METADATA_URI_V4: `${url}/v4/${taskId}` };
  }

  isProtected(taskId: string): boolean | undefined {
    return this.asked.get(taskId)?.at(-1);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage): Promise<object | undefined> {
    const [, api, taskId = '', ...rest] = request.url!.split('/');
    const arn = `arn:aws:ecs:us-east-1:000000000000:task/cluster/${taskId}`;
    if (api === 'v4' && rest.join('/') === 'task') return { TaskARN: arn };
    if (api !== 'api' || rest.join('/') !== 'task-protection/v1/state') return undefined;
    const { ProtectionEnabled } = (await json(request)) as { ProtectionEnabled: boolean };
    this.asked.set(taskId, [...(this.asked.get(taskId) ?? []), ProtectionEnabled]);
    return { protection: { ProtectionEnabled, TaskArn: arn } };
  }
}
