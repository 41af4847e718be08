/** The doctor, and stacks that are healthy except for the fault that it should find. */
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Check } from '../../cli/doctor/check.ts';
import { bundledWorkflows } from './bundle.ts';
import { ServedStacks, type StackSettings } from './served-stacks.ts';

export const stacks = new ServedStacks();
const workers: { worker: Worker; running: Promise<void> }[] = [];
let connection: NativeConnection;
export let client: Client;

export async function startStacks(): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), workerHeartbeatInterval: '1s' });
  await stacks.start();
  connection = await NativeConnection.connect({ address: stacks.temporal.address });
  client = new Client({ connection: await Connection.connect({ address: stacks.temporal.address }) });
}

export async function stopStacks(): Promise<void> {
  for (const { worker } of workers) worker.shutdown();
  await Promise.all(workers.map(({ running }) => running));
  await connection?.close();
  await client?.connection.close();
  await stacks.stop();
}

/** A separate worker, from its first heartbeat on. */
export async function serve(taskQueue: string, options: { activities?: object } = {}): Promise<void> {
  const workflowBundle = await bundledWorkflows();
  const activities = { work: async () => 'done' };
  const worker = await Worker.create({ connection, workflowBundle, taskQueue, activities, ...options });
  workers.push({ worker, running: worker.run() });
  await stacks.heartbeat(taskQueue);
}

/** A stack that is healthy except for what its settings say, after one tick of the scaler. */
export async function deploy(id: string, settings: StackSettings = {}, at = Date.now()): Promise<void> {
  const pools = [{ pool: `${id}-pool`, ...settings.pools?.[0] }];
  await stacks.deploy(id, { ...settings, pools });
  await stacks.alarm(id, `${id}-pool`);
  await stacks.tick(id, { ...settings, pools }, at);
}

interface Examined {
  code: number;
  checks: Check[];
  /** As a person reads it. */
  text: string;
}

export async function examine(id: string, env: Record<string, string> = {}): Promise<Examined> {
  const [json, text] = await Promise.all([
    stacks.cliWith({ env }, 'doctor', '--stack', id, '--json'),
    stacks.cliWith({ env }, 'doctor', '--stack', id),
  ]);
  expect([json.stderr, text.stderr]).toEqual(['', '']);
  return { code: json.code, checks: JSON.parse(json.stdout).checks, text: text.stdout };
}

/** The failed checks; each says why it matters and how to fix it. */
export function wrong({ checks }: Examined): Check[] {
  const found = checks.filter(({ ok }) => ok === false);
  for (const { matters, mend } of found) expect([matters, mend]).not.toContain(undefined);
  return found;
}
