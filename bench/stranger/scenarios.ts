/**
 * Two scenarios of `omes`, the load generator with which Temporal tests its own server and workers, rebuilt from their descriptions:
 * our workers know no "kitchen sink" workflow, so that each activity of omes is an ask of a strategy here.
 *
 * `ebb_and_flow`     oscillates the backlog between a least and a most by proportional control, one workflow of one activity each
 * `serverless_burst` many workflows at once, after none, each with quick activities side by side, and then slow ones
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import {
  GENERIC_STRATEGY_WORKFLOW,
  type MapReduceInput,
  type ProcessorConfig,
  type SpecialistInput,
} from '../../worker/strategies/types.ts';

const QUICK_QUEUE = 'quick-response-queue';
const LONG_QUEUE = 'complex-analysis-queue';

export interface Scenario {
  name: string;
  /** Starts its workflows, and resolves when all of them have ended: with how many there were. */
  run(client: Client): Promise<number>;
}

export const SCENARIOS: Scenario[] = [
  { name: 'ebb_and_flow', run: ebbAndFlow },
  { name: 'serverless_burst', run: serverlessBurst },
];

/** As omes has it by default, but for the work's length and the whole duration. */
const EBB = {
  leastBacklog: 10,
  mostBacklog: 60,
  periodSeconds: 40,
  mostAtOnce: 40,
  workSeconds: 3,
  durationSeconds: 120,
};
const CONTROL_SECONDS = 0.5;

async function ebbAndFlow(client: Client): Promise<number> {
  const { leastBacklog, mostBacklog, durationSeconds, workSeconds } = EBB;
  const results: Promise<unknown>[] = [];
  let ended = 0;
  let draining = false;
  let turnedAt = performance.now();
  const end = turnedAt + durationSeconds * 1000;
  while (performance.now() < end) {
    const backlog = results.length - ended;
    const turns = draining ? backlog <= leastBacklog : backlog >= mostBacklog;
    if (turns) [draining, turnedAt] = [!draining, performance.now()];
    const more = spawned(targetOf(draining, (performance.now() - turnedAt) / 1000), backlog);
    for (let count = 0; count < more; count++) {
      const result = ask(client, `ebb-${results.length}`, QUICK_QUEUE, workSeconds).finally(() => (ended += 1));
      results.push(result);
    }
    await wait(CONTROL_SECONDS * 1000);
  }
  await Promise.allSettled(results);
  return results.length;
}

/** Along a cosine, and a tenth beyond it. */
function targetOf(draining: boolean, seconds: number): number {
  const { leastBacklog, mostBacklog, periodSeconds } = EBB;
  const progress = Math.min(1, seconds / periodSeconds);
  const share = (1 + (draining ? 1 : -1) * Math.cos(Math.PI * progress)) / 2;
  return Math.round((leastBacklog + share * (mostBacklog - leastBacklog)) * 1.1);
}

/** The further from the target, the more in proportion. */
function spawned(target: number, backlog: number): number {
  const { leastBacklog, mostBacklog, mostAtOnce } = EBB;
  const gain = 1 + (2 * Math.abs(target - backlog)) / (mostBacklog - leastBacklog);
  return Math.max(0, Math.min(mostAtOnce, Math.floor((target - backlog) * gain)));
}

const BURST = { workflows: 40, slowActivities: 4, slowSeconds: 2, quickWorkflows: 100, quickSeconds: 0.05 };

/** omes has both kinds in one workflow; here each kind has its pool, as in a deployment of this package. */
async function serverlessBurst(client: Client): Promise<number> {
  const { workflows, quickWorkflows, quickSeconds } = BURST;
  const quick = Array.from({ length: quickWorkflows }, (_, index) =>
    ask(client, `burst-quick-${index}`, QUICK_QUEUE, quickSeconds),
  );
  const slow = Array.from({ length: workflows }, (_, index) => askSideBySide(client, `burst-slow-${index}`));
  const all = [...quick, ...slow];
  await Promise.allSettled(all);
  return all.length;
}

function ask(client: Client, workflowId: string, taskQueue: string, secondsPerAsk: number): Promise<unknown> {
  const input: SpecialistInput = { task: workflowId };
  const config: ProcessorConfig = { serviceName: 'stranger', offlineModel: { secondsPerAsk } };
  return client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue,
    workflowId,
    args: ['specialist', input, config],
  });
}

function askSideBySide(client: Client, workflowId: string): Promise<unknown> {
  const { slowActivities, slowSeconds } = BURST;
  const parts = Array.from({ length: slowActivities }, (_, part) => `part ${part + 1}`);
  const input: MapReduceInput = { task: workflowId, parts, width: slowActivities };
  const config: ProcessorConfig = { serviceName: 'stranger', offlineModel: { secondsPerAsk: slowSeconds } };
  return client.workflow.execute(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue: LONG_QUEUE,
    workflowId,
    args: ['map_reduce', input, config],
  });
}
