/**
 * One run of the demo: everything is started and deployed, the fleets scale in to zero, requests are replayed, and when the last
 * one is done and the fleets are at zero again, the results are read from Temporal, ECS and CloudWatch.
 */
import { CloudWatchClient, DescribeAlarmsCommand, paginateDescribeAlarmHistory } from '@aws-sdk/client-cloudwatch';
import type { Client } from '@temporalio/client';

import type { PoolConfig } from '../contract/pool-config.ts';
import { BATCH_STRATEGY_WORKFLOW, GENERIC_STRATEGY_WORKFLOW } from '../worker/strategies/types.ts';
import type { BatchOptions, ProcessorConfig, SequentialInput, SpecialistInput } from '../worker/strategies/types.ts';
import { openConsole } from './console.ts';
import { exportLine } from './emulator.ts';
import type { ServiceUsage } from './fargate/index.ts';
import { batchesBeside, jobsOf, send } from './load.ts';
import type { Batch, Job, Request } from './load.ts';
import { localClient } from './observe.ts';
import { readOutcomes } from './outcomes.ts';
import { summarise } from './summary.ts';
import type { RunFacts, Summary } from './summary.ts';
import { startPlant } from './plant.ts';
import type { Plant, SiteOptions } from './plant.ts';
import { ensureTools } from './tools.ts';
import { watchPlant, type Watch, type WatchOptions } from './watch.ts';

export interface DemoOptions
  extends WatchOptions, Pick<SiteOptions, 'seed' | 'startDelay' | 'temporalPort' | 'uiPort'> {
  requests: Request[];
  speed: number;
  preset?: string;
  /** Called while everything is still running. */
  atTheEnd?: (plant: Plant) => Promise<void>;
}

/** Time after the deployment besides the load and the tasks' start-up: scaling to zero twice, reading the histories. */
const LIMIT_BESIDES_LOAD_SECONDS = 215;
/** Rounds of task starts: each pool's first task, the first burst, more tasks for it, and a second burst. */
const STARTS = 4;
/** The part of the time limit for reading the results. */
const SUMMING_UP_SECONDS = 15;

export async function runDemo(options: DemoOptions): Promise<Summary> {
  const { screen, now, signal, requests, speed } = options;
  const begunAt = now();
  const tools = await ensureTools({ onProgress: screen.note });
  const jobs = jobsOf(requests, speed);
  const batches = batchesBeside(jobs);
  const expected = requests.length + batches.reduce((sum, { items }) => sum + items, 0);
  const lastEndSeconds = jobs.reduce((last, { atSeconds, workSeconds }) => Math.max(last, atSeconds + workSeconds), 0);
  const limitSeconds = LIMIT_BESIDES_LOAD_SECONDS + STARTS * options.startDelay.max + Math.ceil(lastEndSeconds);
  const context: Record<string, string> = options.preset === undefined ? {} : { env: options.preset };
  const plant = await startPlant({ ...options, tools, context, onProgress: screen.note });
  const startedAt = now();
  screen.note(
    `To see the pools with 'npm run -s elastic-workers -- status', run this in a second terminal first:\n${exportLine(plant.emulatorUrl, plant.fargate.url)}`,
  );
  const deadline = startedAt + (limitSeconds - SUMMING_UP_SECONDS) * 1000;
  const watch = watchPlant(plant, options, {
    begunAt,
    deadline,
    requests: expected,
    workflowType: GENERIC_STRATEGY_WORKFLOW,
  });
  void openConsole({ ...plant, closers: options.closers, onProgress: screen.note }).then(watch.console);

  watch.phase(
    'Act 1 of 3, down to zero: each service has started one task; the scaler, first invoked a minute after the deployment, removes it',
  );
  await watch.until(() => watch.atMinimum());
  signal.throwIfAborted();
  const before = plant.fargate.usage();
  const from = now();
  watch.phase(
    `Act 2 of 3, the load: ${requests.length} requests at ${speed} times real speed, and ${batches.length} batches of ${batches[0]?.items} small items`,
  );
  const onFailed = (error: unknown) => screen.note(`Cannot start a workflow: ${String(error)}`);
  const [{ behindSeconds }] = await Promise.all([
    send(jobs, { start: (job, index) => startWorkflow(plant.client, job, index, watch), onFailed, signal }),
    send(batches, { start: (batch, index) => startBatch(plant.client, batch, index, watch), onFailed, signal }),
  ]);
  watch.phase('Act 2 of 3, the load: all requests have arrived; the pools finish the work');
  await watch.until(() => watch.workflows().completed + watch.workflows().failed >= expected);
  watch.phase('Act 3 of 3, back to zero: all work is done, and the scaler removes the idle tasks');
  await watch.until(() => watch.atMinimum());
  const span = { from, to: now() };
  await watch.stop();
  await options.atTheEnd?.(plant);

  const outcomes = await readOutcomes(plant.client, GENERIC_STRATEGY_WORKFLOW);
  return summarise({
    seconds: (now() - startedAt) / 1000,
    limitSeconds,
    requests: expected,
    behindSeconds,
    outcomes,
    fleets: fleetsOf(plant.pools, [...jobs, ...batches], before, plant.fargate.usage()),
    span,
    alarmsFired: await alarmsFired(plant.emulatorUrl, from),
  });
}

/** Two steps, the second of which uses the first one's answer; together they take as long as the request. */
async function startWorkflow(client: Client, job: Job, index: number, watch: Watch): Promise<void> {
  const input: SequentialInput = { task: `Request ${index + 1}`, steps: ['Draft an answer', 'Improve the answer'] };
  const config: ProcessorConfig = {
    serviceName: 'demo',
    offlineModel: { secondsPerAsk: job.workSeconds / input.steps.length },
  };
  await client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
    taskQueue: queueOf(job),
    workflowId: `request-${String(index + 1).padStart(5, '0')}`,
    args: ['sequential', input, config],
  });
  watch.workflowsStarted(1);
}

/** A workflow that does no work of its own: each item is a workflow that another pool runs. */
async function startBatch(client: Client, { items }: Batch, index: number, watch: Watch): Promise<void> {
  const inputs = Array.from({ length: items }, (_, item): SpecialistInput => ({ task: `Item ${item + 1}` }));
  const config: ProcessorConfig = { serviceName: 'demo', offlineModel: { secondsPerAsk: 0.05 } };
  const options: BatchOptions = { taskQueue: QUICK_QUEUE };
  await client.workflow.start(BATCH_STRATEGY_WORKFLOW, {
    taskQueue: BATCH_QUEUE,
    workflowId: `batch-${String(index + 1).padStart(3, '0')}`,
    args: ['specialist', inputs, config, options],
  });
  watch.workflowsStarted(items);
}

const QUICK_QUEUE = 'quick-response-queue';
const LONG_QUEUE = 'complex-analysis-queue';
const BATCH_QUEUE = 'batch-queue';

function queueOf(job: Job | Batch): string {
  if ('items' in job) return BATCH_QUEUE;
  return job.isLong ? LONG_QUEUE : QUICK_QUEUE;
}

type Usage = Record<string, ServiceUsage>;

function fleetsOf(pools: PoolConfig[], jobs: (Job | Batch)[], before: Usage, after: Usage): RunFacts['fleets'] {
  return pools.map(({ pool, taskQueue, service }) => ({
    pool,
    requests: jobs.filter((job) => queueOf(job) === taskQueue).length,
    before: before[service],
    after: after[service],
  }));
}

/** The alarms that went to ALARM since then, with how often: before a pool's first decision, scaler-down fires. */
export async function alarmsFired(emulatorUrl: string, since: number): Promise<string[]> {
  const client = new CloudWatchClient(localClient(emulatorUrl));
  const fired = new Map<string, number>();
  for await (const page of paginateDescribeAlarmHistory({ client }, { HistoryItemType: 'StateUpdate' })) {
    for (const { AlarmName = '', HistorySummary = '', Timestamp } of page.AlarmHistoryItems ?? []) {
      if (HistorySummary.endsWith('to ALARM') && Number(Timestamp) >= since)
        fired.set(AlarmName, (fired.get(AlarmName) ?? 0) + 1);
    }
  }
  const { MetricAlarms = [] } = await client.send(new DescribeAlarmsCommand({ MaxRecords: 100 }));
  return [...fired].map(([name, times]) => {
    const [sentence = name] =
      MetricAlarms.find(({ AlarmName }) => AlarmName === name)?.AlarmDescription?.split('. ') ?? [];
    return times === 1 ? sentence : `${sentence} (${times} times)`;
  });
}
