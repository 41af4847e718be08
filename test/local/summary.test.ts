import { outcomeOf } from '../../local/outcomes.ts';
import type { Outcome } from '../../local/outcomes.ts';
import { renderSummary, summarise } from '../../local/summary.ts';
import type { RunFacts } from '../../local/summary.ts';

const at = (seconds: number) => ({ eventTime: { seconds, nanos: 0 } });
const started = { ...at(100), workflowExecutionStartedEventAttributes: {} };
const completed = { ...at(110), workflowExecutionCompletedEventAttributes: {} };
const activity = (attempt: number, lastFailure?: { message: string }) => ({
  ...at(103),
  activityTaskStartedEventAttributes: { attempt, ...(lastFailure && { lastFailure }) },
});

describe("a workflow's outcome", () => {
  test('is read from its history', () => {
    expect(outcomeOf({ events: [started, activity(1), completed] })).toEqual({
      end: 'completed',
      waitSeconds: 3,
      lostAttempts: [],
    });
  });

  test('lists every attempt that was retried', () => {
    const history = { events: [started, activity(3, { message: 'activity Heartbeat timeout' }), completed] };
    expect(outcomeOf(history).lostAttempts).toEqual(['activity Heartbeat timeout', 'activity Heartbeat timeout']);
  });

  test.each([
    ['workflowExecutionFailedEventAttributes', 'activityTaskFailedEventAttributes'],
    ['workflowExecutionTimedOutEventAttributes', 'activityTaskTimedOutEventAttributes'],
    ['workflowExecutionCanceledEventAttributes', 'activityTaskCanceledEventAttributes'],
  ])('is a failure for %s, with its last attempt lost', (end, activityEnd) => {
    const history = { events: [started, activity(1), { [activityEnd]: {} }, { ...at(120), [end]: {} }] };
    expect(outcomeOf(history)).toMatchObject({ end: 'failed', lostAttempts: [expect.any(String)] });
  });

  test('is open while the history continues, with an unknown wait before the work has started', () => {
    expect(outcomeOf({ events: [started] })).toEqual({ end: 'still open', waitSeconds: undefined, lostAttempts: [] });
  });
});

const good: Outcome = { end: 'completed', waitSeconds: 1, lostAttempts: [] };
const fleet = (...running: number[]) => ({
  taskSeconds: 90,
  billedTaskSeconds: 120,
  tasksLaunched: 3,
  peakRunningTasks: 3,
  history: running.map((count, i) => ({ at: i * 10_000, desired: count, running: count, pending: 0 })),
});
const facts: RunFacts = {
  seconds: 200,
  limitSeconds: 350,
  requests: 4,
  behindSeconds: 0.01,
  outcomes: [1, 2, 3, 10].map((waitSeconds) => ({ ...good, waitSeconds })),
  // One task at first, which has stopped when the load starts at 15 s.
  fleets: [
    { pool: 'quick', requests: 4, before: { ...fleet(1, 0), taskSeconds: 10 }, after: fleet(1, 0, 0, 2, 3, 1, 2, 0) },
  ],
  span: { from: 15_000, to: 75_000 },
  alarmsFired: [],
};

describe('the summary', () => {
  test('passes when everything was started and completed, and nothing was lost', () => {
    const summary = summarise(facts);
    expect(summary.checks.filter(({ holds }) => !holds)).toEqual([]);
    expect(summary).toMatchObject({ ok: true, waitSeconds: { p50: 2, p95: 10 } });
    expect(renderSummary(summary)).toContain('All checks passed, in 3:20.');
  });

  test('compares the usage since the load started with the peak over the same time', () => {
    expect(summarise(facts)).toMatchObject({ taskSeconds: 80, alwaysOnTaskSeconds: 3 * 60 });
    expect(renderSummary(summarise(facts))).toContain('80, 56% less than the 180 of an always-on fleet');
  });

  test("shows the fleet's turning points", () => {
    expect(renderSummary(summarise(facts))).toContain('0 → 3 → 1 → 2 → 0 tasks');
  });

  test.each<[string, Partial<RunFacts>]>([
    ['a request that was not started', { requests: 5 }],
    ['a workflow that failed', { outcomes: [...facts.outcomes.slice(1), { ...good, end: 'failed' }] }],
    ['an open workflow', { outcomes: [...facts.outcomes.slice(1), { ...good, end: 'still open' }] }],
    ['a lost attempt', { outcomes: [...facts.outcomes.slice(1), { ...good, lostAttempts: ['timeout'] }] }],
    [
      'a fleet that was not at zero when the load started',
      { fleets: [{ pool: 'quick', requests: 4, before: fleet(1), after: fleet(1, 1, 2, 0) }] },
    ],
    ['a fleet of fixed size', { fleets: [{ pool: 'quick', requests: 4, before: fleet(1, 0), after: fleet(1, 0) }] }],
    [
      'a fleet that did not return to zero',
      { fleets: [{ pool: 'quick', requests: 4, before: fleet(1, 0), after: fleet(1, 0, 3, 1) }] },
    ],
    ['a fleet without readings', { fleets: [{ pool: 'quick', requests: 4, before: undefined, after: undefined }] }],
    ['an alarm that fired', { alarmsFired: ['quick: more than 100 tasks wait'] }],
    ['a run that took too long', { seconds: 351 }],
  ])('fails with %s', (_, change) => {
    const summary = summarise({ ...facts, ...change });
    expect(summary.ok).toBe(false);
    expect(renderSummary(summary)).toContain('NOT all checks passed');
  });

  test('passes with a pool that got no requests and no tasks', () => {
    const unused = { pool: 'unused', requests: 0, before: fleet(1, 0), after: fleet(1, 0) };
    expect(summarise({ ...facts, fleets: [...facts.fleets, unused] }).ok).toBe(true);
  });

  test('states why attempts were lost', () => {
    const lostAttempts = ['worker stopped', 'worker stopped', 'timeout'];
    const { checks } = summarise({ ...facts, outcomes: [{ ...good, lostAttempts }] });
    expect(checks.find(({ name }) => name === 'no activity attempt was lost')?.detail).toBe(
      '3 lost, 2 × worker stopped, 1 × timeout',
    );
  });

  test('shows no figure for an unknown wait', () => {
    expect(renderSummary(summarise({ ...facts, outcomes: [] }))).toContain('p50 ?, p95 ?');
  });
});
