import type { PoolView } from '../../local/observe.ts';
import { chart, clock, renderLines, renderTable } from '../../local/view.ts';
import type { DemoView } from '../../local/view.ts';

const pool: PoolView = {
  pool: 'complex-analysis',
  backlog: 12,
  ageSeconds: 3.21,
  busySlots: 18,
  slots: 20,
  desired: 5,
  running: 4,
  starting: 1,
  cordoned: 0,
  decision: { reason: 'backlog', detail: 'busy 18 + queued 12' },
  failed: 2,
};
const blind: PoolView = {
  pool: 'quick',
  backlog: undefined,
  ageSeconds: undefined,
  busySlots: undefined,
  slots: undefined,
  desired: undefined,
  running: undefined,
  starting: undefined,
  cordoned: undefined,
  decision: undefined,
  failed: 0,
};
const view: DemoView = {
  elapsedSeconds: 65,
  phase: 'Replaying 100 requests',
  temporalUiUrl: 'http://127.0.0.1:8233',
  consoleUrl: 'http://127.0.0.1:8234',
  requests: 100,
  workflows: { started: 40, completed: 30, failed: 1 },
  pools: [pool, blind],
  running: new Map([['complex-analysis', [0, 0, 1, 2, 4]]]),
};

test("the table has each pool's figures under their titles, its decision, the counts and the addresses to look at", () => {
  expect(renderTable(view)).toMatchInlineSnapshot(`
   "1:05  Replaying 100 requests

     pool              backlog    age   busy  desired  running  starting  cordoned  failures
     complex-analysis       12  3.2 s  18/20        5        4         1         0         2
     quick                   ?    ? s    ?/?        ?        ?         ?         ?         0

     complex-analysis: backlog (busy 18 + queued 12)
     quick: no decision yet

     complex-analysis  ··▂▄█  tasks, peak 4
     quick               tasks, peak 0

     workflows  40 of 100 started, 30 completed, 1 failed
     Temporal   http://127.0.0.1:8233
     console    http://127.0.0.1:8234"
  `);
});

test('without a terminal each pool is one line that says the same', () => {
  expect(renderLines(view)).toMatchInlineSnapshot(`
   "1:05 Replaying 100 requests; workflows 40 of 100 started, 30 completed, 1 failed
     complex-analysis: backlog 12, age 3.2 s, busy 18/20, desired 5, running 4, starting 1, cordoned 0, failures 2; backlog (busy 18 + queued 12)
     quick: backlog ?, age ? s, busy ?/?, desired ?, running ?, starting ?, cordoned ?, failures 0; no decision yet"
  `);
});

test('a long chart has a column for several looks, with the highest of them', () => {
  const values = Array.from({ length: 600 }, (_, index) => (index === 305 ? 8 : 0));
  expect(chart(values)).toBe(`${'·'.repeat(30)}█${'·'.repeat(29)}  tasks, peak 8`);
});

test('a clock has minutes and two digits of seconds', () => {
  expect([0, 59.9, 60, 605].map(clock)).toEqual(['0:00', '0:59', '1:00', '10:05']);
});
