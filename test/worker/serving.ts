/** A real Worker with our plugin, in this process, on the real Temporal server. */
import { join } from 'node:path';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundle,
} from '@temporalio/worker';
import { type LocalTemporal, startTemporal } from '../../local/temporal.ts';
import { StrategiesPlugin, type StrategiesOptions } from '../../worker/plugin.ts';

const logger = new DefaultLogger('ERROR');
let count = 0;

export interface Serving {
  client: Client;
  temporal: LocalTemporal;
  /** Serves its own queue while `use` runs. */
  serve<T>(options: StrategiesOptions, use: (queue: Queue) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

interface Queue {
  taskQueue: string;
  run<T = unknown>(workflowType: string, ...args: unknown[]): Promise<T>;
  /** The workflow fails, with this reason. */
  failure(workflowType: string, ...args: unknown[]): Promise<Error & { type?: string; nonRetryable?: boolean }>;
  lastWorkflowId(): string;
}

export async function startServing(workflows = '../../worker/workflows.ts'): Promise<Serving> {
  Runtime.install({ logger });
  const [temporal, bundle] = await Promise.all([startTemporal(), bundled(join(import.meta.dirname, workflows))]);
  const native = await NativeConnection.connect({ address: temporal.address });
  const client = new Client({ connection: await Connection.connect({ address: temporal.address }) });
  return {
    client,
    temporal,
    async serve(options, use) {
      count += 1;
      const taskQueue = `serving-${count}`;
      const plugins = [new StrategiesPlugin(options)];
      const worker = await Worker.create({ connection: native, taskQueue, workflowBundle: bundle, plugins });
      return worker.runUntil(() => use(queueOf(client, taskQueue)));
    },
    async stop() {
      await client.connection.close();
      await native.close();
      await temporal.stop();
    },
  };
}

function bundled(workflowsPath: string): Promise<WorkflowBundle> {
  return bundleWorkflowCode({ workflowsPath, logger, plugins: [new StrategiesPlugin()] });
}

function queueOf(client: Client, taskQueue: string): Queue {
  let runs = 0;
  const workflowId = () => `${taskQueue}-${runs}`;
  const run = async <T>(workflowType: string, ...args: unknown[]) => {
    runs += 1;
    const handle = await client.workflow.start(workflowType, { taskQueue, workflowId: workflowId(), args });
    return (await handle.result()) as T;
  };
  return {
    taskQueue,
    run,
    lastWorkflowId: workflowId,
    async failure(workflowType, ...args) {
      const error: unknown = await run(workflowType, ...args).then(
        (result) => new Error(`No failure but ${JSON.stringify(result)}`),
        (cause: unknown) => cause,
      );
      if (error instanceof WorkflowFailedError && error.cause) return error.cause;
      throw error;
    },
  };
}
