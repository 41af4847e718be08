/** A pool of 5,000 tasks and 10,000 workers during a deployment: what is written about it has to fit. */
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { randomBytes, randomUUID } from 'node:crypto';
import { decide, DEFAULT_POLICY, known, type WorkerReading } from '../../scaler/policy.ts';
import { replayer } from '../../scaler/report/replay.ts';
import { StateTable } from '../../scaler/act/state.ts';
import { Telemetry } from '../../scaler/report/telemetry.ts';
import { tickRecordSchema, type TickRecord } from '../../scaler/report/tick-record.ts';

const DYNAMODB_ITEM_BYTES = 400 * 1024;
/** CloudWatch Logs adds 26 bytes to an event's own. */
const LOG_EVENT_BYTES = 256 * 1024 - 26;

const queue = { backlog: 3, ageSeconds: 1, addRate: 0, dispatchRate: 0, rateLimited: false };

function recordOf(tasks: number, workersOfEach: number): TickRecord {
  const running = Array.from({ length: tasks }, () => randomBytes(16).toString('hex'));
  const workerOf = (task: string) => ({
    key: randomUUID(),
    task,
    ageSeconds: Math.random() * 10,
    usedSlots: 7,
    slots: 20,
    processed: 123_456,
    failed: 12,
    workflowTasks: { usedSlots: 2, slots: 40, processed: 5 },
    localActivities: 3,
  });
  return {
    v: 1,
    pool: 'large',
    now: 1_800_000_000_000,
    policy: { maxTasks: 5000 },
    activityQueue: queue,
    workflowQueue: queue,
    workers: running.flatMap((task) => Array.from({ length: workersOfEach }, () => workerOf(task))),
    tasks: { desired: tasks, running, pending: [], cordoned: running, outdated: running },
  };
}

const large = recordOf(5000, 2);

function decisionOn(record: TickRecord) {
  const outcome = decide(record, undefined, { ...DEFAULT_POLICY, maxTasks: 5000 }, record.now);
  const cordon = known(record.tasks) ? record.tasks.running : [];
  return { ...outcome, decision: { ...outcome.decision, cordon } };
}

async function saved(record: TickRecord): Promise<Record<string, unknown>> {
  let item: Record<string, unknown> = {};
  const client = { send: async ({ input }: PutCommand) => void (item = input.Item ?? {}) };
  const { memory, decision } = decisionOn(record);
  await new StateTable(client as unknown as DynamoDBDocumentClient, 'state').save(
    'large',
    { version: 0, memory, decision },
    record,
  );
  return item;
}

function logged(record: TickRecord, errors: string[] = []): string {
  const lines: string[] = [];
  const telemetry = new Telemetry({} as CloudWatchClient, (line) => lines.push(line), {
    stack: 'stack',
    metrics: 'full',
  });
  telemetry.report(record, decisionOn(record), errors, { protection: 'worker' }, { attempts: [] });
  return lines.join();
}

/** As DynamoDB counts: names and texts in UTF-8, a number by its digits, three bytes a list or map and one an element. */
function itemBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number') return Math.ceil(String(value).replace(/\D/g, '').length / 2) + 2;
  if (typeof value !== 'object' || value === null) return 1;
  const elements = Object.entries(value).map(
    ([name, element]) => 1 + itemBytes(element) + (Array.isArray(value) ? 0 : Buffer.byteLength(name)),
  );
  return 3 + elements.reduce((sum, bytes) => sum + bytes, 0);
}

test('a large pool’s item fits into the state table', async () => {
  const item = await saved(large);
  expect(itemBytes({ ...item, record: large })).toBeGreaterThan(DYNAMODB_ITEM_BYTES);
  expect(itemBytes(item)).toBeLessThan(DYNAMODB_ITEM_BYTES);
});

test('a large pool’s log line fits into a log event, with any number of errors', () => {
  const errors = Array.from({ length: 5000 }, () => 'x'.repeat(600));
  const line = logged(large, errors);
  expect(Buffer.byteLength(line)).toBeLessThan(LOG_EVENT_BYTES);
  const told = JSON.parse(line);
  expect(told.errors).toHaveLength(51);
  expect(told.errors.at(-1)).toBe('and 4950 more');
});

test('a shortened record says so, and keeps the counts and sums of the full one', () => {
  const { shortened, tasks, workers, ...told } = tickRecordSchema.parse(JSON.parse(logged(large)));
  expect(shortened).toBe('10000 workers are combined, ids are cut to 8 characters');
  const { figures } = decide({ ...told, tasks, workers }, undefined, DEFAULT_POLICY, told.now);
  expect(figures).toMatchObject({ busySlots: 70_000, slots: 200_000 });
  const sum = (count: (worker: WorkerReading) => number) =>
    known(workers) && workers.reduce((total, worker) => total + count(worker), 0);
  expect(sum(({ workflowTasks }) => workflowTasks!.usedSlots)).toBe(20_000);
  expect(sum(({ workflowTasks }) => workflowTasks!.slots!)).toBe(400_000);
  expect(sum(({ workflowTasks }) => workflowTasks!.processed)).toBe(50_000);
  expect(sum(({ localActivities }) => localActivities!)).toBe(30_000);
  expect(workers).not.toContainEqual(expect.objectContaining({ nexusTasks: expect.anything() }));
  expect(known(tasks) && tasks.running.length).toBe(5000);
});

test('a record that fits is written unchanged', async () => {
  const small = recordOf(100, 2);
  expect(JSON.parse(logged(small))).toMatchObject(small);
  expect((await saved(small)).record).toEqual(small);
});

test('a replay refuses a shortened record', () => {
  const answer = replayer()(logged(large));
  expect(answer?.ok).toBe(false);
  expect(JSON.parse(answer?.text ?? '').error).toContain('10000 workers are combined');
});
