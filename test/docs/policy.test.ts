/** docs/policy.md matches the current policy: its example is calculated, and its table of rules is complete. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_POLICY } from '../../scaler/policy.ts';
import type { KindLoad } from '../../scaler/policy/kinds.ts';
import type { Load } from '../../scaler/policy/load.ts';
import { neededTasks } from '../../scaler/policy/need.ts';
import { ABLATIONS } from '../../simulate/ablations.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'scaler/policy');
const document = readFileSync(join(root, 'docs/policy.md'), 'utf8');
const rows = document
  .slice(document.indexOf('\n## Rules'))
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| rule') && !line.startsWith('| --'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

const idle: KindLoad = {
  queued: 0,
  headAge: 0,
  isAgain: false,
  reportedBusy: 0,
  busy: 0,
  slotsAwaitingRetry: 0,
  slotsPerTask: 20,
  statedSlots: undefined,
  freePerTask: 20,
  foreign: { slots: 0, free: 0 },
  full: false,
  rateLimited: false,
  limited: false,
  rateLimit: undefined,
  serviceSeconds: 1,
  shownSeconds: 1,
  rate: 0,
  flows: false,
  stalledSeconds: 0,
  throughput: 0,
  processed: 0,
  serving: false,
  intervals: [],
};

test('the example in docs/policy.md gives the stated results', () => {
  const activities = {
    queued: 100,
    rate: 1.5,
    serviceSeconds: 30,
    busy: 40,
    reportedBusy: 40,
    freePerTask: 0,
    full: true,
  };
  const load: Load = {
    active: ['a', 'b'],
    startingIn: [20],
    live: [],
    unreported: [],
    lostTasks: [],
    kinds: { activities: { ...idle, ...activities }, workflowTasks: idle, nexusTasks: idle },
    queued: 100,
    headAge: 12,
    reportedBusy: 40,
    startUpSeconds: 42,
    unplaced: 0,
    waitWorth: 1.8 / 30,
    processed: 0,
    failed: 0,
    failing: null,
    workflowsFail: false,
    notServing: false,
    asked: false,
  };
  const tasks = { desired: 3, running: ['a', 'b'], pending: ['c'], cordoned: [] };
  const { tasks: needed, waiting, share } = neededTasks(load, tasks, { ...DEFAULT_POLICY, maxTasks: 50 });
  expect([needed, waiting.toFixed(1), share.toFixed(1)]).toEqual([4, '72.3', '0.5']);
  for (const result of ['72.3', '0.5', '4']) expect(document).toMatch(new RegExp(`\\| ${result} +\\|`));
});

test('its table has each rule that can be turned off', () => {
  expect(rows.flatMap(([, rules]) => rules!.split(', ')).sort()).toEqual(Object.keys(ABLATIONS).sort());
});

/** Of the memory's format, and of clocks. */
const FORMAT = ['MEMORY_VERSION', 'WORKER_TOTALS', 'LARGEST_FIGURE', 'CLOCKS_APART_MS', 'MINUTE_MS', 'DAY_MS'];
/** Calculated from others. */
const DERIVED = ['ENDLESS', 'FACTOR', 'STEPS', 'FRESH', 'NO_GROWTH', 'NO_INTERVAL', 'NOTHING_READ', 'EMPTY_QUEUE'];

test('its table has exactly the policy’s constants', () => {
  const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  const found = sources.flatMap((source) =>
    [...source.matchAll(/^(?:export )?const ([A-Z][A-Z_]*)\b/gm)].map((each) => each[1]!),
  );
  const words = ['KINDS', 'REASONS', 'DEFAULT_POLICY', 'WHILE_IT_FITS', 'WHILE_IT_LASTS'];
  const named = rows.flatMap(([, , , constants]) => [...constants!.matchAll(/`(\w+)`/g)].map((each) => each[1]!));
  const others = new Set([...FORMAT, ...DERIVED, ...words]);
  expect([...new Set(named)].sort()).toEqual([...new Set(found)].filter((name) => !others.has(name)).sort());
});
