import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { replayer } from '../../scaler/report/replay.ts';

const record = {
  v: 1,
  pool: 'agents',
  now: 1763860000000,
  policy: { minTasks: 0, maxTasks: 100, slotsPerTask: 20, targetWaitSeconds: 30, scaleInAfterSeconds: 60 },
  activityQueue: { backlog: 12, ageSeconds: 3.2, addRate: 1.5, dispatchRate: 1.4, rateLimited: false },
  workflowQueue: { backlog: 0, ageSeconds: 0, addRate: 0, dispatchRate: 0, rateLimited: false },
  workers: [{ key: 'w1', task: 't1', ageSeconds: 4, usedSlots: 30, slots: 20, processed: 123, failed: 4 }],
  tasks: { desired: 3, running: ['t1', 't2'], pending: ['t3'], cordoned: ['t2'] },
};

test('each tick record results in its decision', () => {
  const answer = JSON.parse(replayer()(JSON.stringify(record))?.text ?? '');
  expect(answer).toMatchObject({ pool: 'agents', now: 1763860000000, desired: 3, reason: 'cooling' });
});

test('memory is kept separately for each pool', () => {
  const replay = replayer();
  const workers = record.workers.map((worker) => ({ ...worker, usedSlots: 0 }));
  const idle = { ...record, workers, activityQueue: record.workflowQueue };
  const desired = (changes: object) => JSON.parse(replay(JSON.stringify({ ...idle, ...changes }))?.text ?? '').desired;
  expect(desired({})).toBe(3);
  expect(desired({ pool: 'other', now: record.now + 120_000 })).toBe(3);
  expect(desired({ now: record.now + 120_000 })).toBe(0);
});

test('a record includes final cordons, and one of an older version has none', () => {
  const queue = { ...record.activityQueue, backlog: 500 };
  const decided = (tasks: object) =>
    JSON.parse(
      replayer()(JSON.stringify({ ...record, activityQueue: queue, tasks: { ...record.tasks, ...tasks } }))?.text ?? '',
    );
  expect(decided({}).cordon).toEqual([]);
  expect(decided({ final: ['t2'] }).cordon).toEqual(['t2']);
});

test('unknown readings and fields added later are accepted', () => {
  const answer = replayer()(JSON.stringify({ ...record, workers: { unknown: 'timeout' }, later: 1 }));
  expect(JSON.parse(answer?.text ?? '')).toMatchObject({ desired: 3, reason: 'unknown' });
});

test('other log lines are skipped, and an invalid record results in an error that says why', () => {
  expect(replayer()('START RequestId: 1')).toBeUndefined();
  const answer = replayer()(JSON.stringify({ ...record, tasks: { desired: -1 } }));
  expect(answer?.ok).toBe(false);
  expect(JSON.parse(answer?.text ?? '').error).toContain('tasks');
});

test('the command reads standard input and prints one decision per line', () => {
  const root = join(import.meta.dirname, '../..');
  const output = execFileSync('node', [join(root, 'cli/main.ts'), 'replay', '--policy', '{"maxTasks":2}'], {
    input: `${JSON.stringify(record)}\n`,
    encoding: 'utf8',
  });
  expect(JSON.parse(output)).toMatchObject({ pool: 'agents', desired: 2 });
});
