/** The results of a demo run, and whether it kept all its promises: pure figures and text. */
import type { FleetSample, ServiceUsage } from './fargate/index.ts';
import type { Outcome } from './outcomes.ts';
import { clock } from './view.ts';

export interface RunFacts {
  seconds: number;
  limitSeconds: number;
  requests: number;
  /** How late the latest request was started. */
  behindSeconds: number;
  outcomes: Outcome[];
  /** For each pool: its number of requests, and the usage up to the load's start and in total. */
  fleets: { pool: string; requests: number; before: ServiceUsage | undefined; after: ServiceUsage | undefined }[];
  /** Epoch milliseconds: from the load's start until all pools were at zero again. */
  span: { from: number; to: number };
  alarmsFired: string[];
}

export interface Summary {
  ok: boolean;
  checks: { name: string; holds: boolean; detail: string }[];
  waitSeconds: { p50: number | null; p95: number | null };
  startedLateSeconds: number;
  fleets: FleetSummary[];
  taskSeconds: number;
  alwaysOnTaskSeconds: number;
  alarmsFired: string[];
  seconds: number;
}

export interface FleetSummary {
  pool: string;
  requests: number;
  /** Running tasks at each change. */
  running: number[];
  peak: number;
  taskSeconds: number;
  /** What the peak would have used if it had run all the time. */
  alwaysOnTaskSeconds: number;
}

export function summarise(facts: RunFacts): Summary {
  const fleets = facts.fleets.map((fleet) => fleetSummary(fleet, facts.span));
  const checks = checksOf(facts, fleets);
  const waits = facts.outcomes.flatMap(({ waitSeconds }) => waitSeconds ?? []).sort((a, b) => a - b);
  return {
    ok: checks.every(({ holds }) => holds),
    checks,
    waitSeconds: { p50: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
    startedLateSeconds: facts.behindSeconds,
    fleets,
    taskSeconds: sum(fleets.map(({ taskSeconds }) => taskSeconds)),
    alwaysOnTaskSeconds: sum(fleets.map(({ alwaysOnTaskSeconds }) => alwaysOnTaskSeconds)),
    alarmsFired: facts.alarmsFired,
    seconds: facts.seconds,
  };
}

export function renderSummary(summary: Summary): string {
  const { checks, waitSeconds, taskSeconds, alwaysOnTaskSeconds } = summary;
  const saved = alwaysOnTaskSeconds > 0 ? Math.round(100 * (1 - taskSeconds / alwaysOnTaskSeconds)) : 0;
  return [
    ...checks.map(({ name, holds, detail }) => `  ${holds ? 'yes' : 'NO '}  ${name}: ${detail}`),
    '',
    `  wait until work starts   p50 ${seconds(waitSeconds.p50)}, p95 ${seconds(waitSeconds.p95)}`,
    `  task-seconds used        ${taskSeconds.toFixed(0)}, ${saved}% less than the ${alwaysOnTaskSeconds.toFixed(0)} of an always-on fleet of peak size`,
    ...(summary.startedLateSeconds > 1
      ? [`  load was late by up to   ${seconds(summary.startedLateSeconds)}: this machine is too slow for this speed`]
      : []),
    '',
    `${summary.ok ? 'All checks passed' : 'NOT all checks passed'}, in ${clock(summary.seconds)}.`,
    '',
    ...(summary.ok ? NEXT : FAILED),
  ].join('\n');
}

const NEXT = [
  'Next:',
  '  npm run demo -- --keep                            the same, and everything keeps running: look around in the console',
  '  npm run elastic-workers -- init ../my-agents      a project of your own, which runs on this machine with npm run dev',
  '  docs/how-to/your-own-workers.md                   the workers that you have already',
  '  docs/how-to/first-deploy.md                       your AWS account',
];
const FAILED = ['The logs are in .local/logs. docs/troubleshooting.md lists what usually goes wrong, by symptom.'];

function checksOf(facts: RunFacts, fleets: FleetSummary[]): Summary['checks'] {
  const started = facts.outcomes.length;
  const ended = (how: Outcome['end']) => facts.outcomes.filter(({ end }) => end === how).length;
  const [completed, failed] = [ended('completed'), ended('failed')];
  const lost = facts.outcomes.flatMap(({ lostAttempts }) => lostAttempts);
  return [
    {
      name: 'every request was started',
      holds: started === facts.requests,
      detail: `${started} of ${facts.requests}`,
    },
    { name: 'every workflow completed', holds: completed === started, detail: `${completed} of ${started}` },
    { name: 'no workflow failed', holds: failed === 0, detail: `${failed} failed` },
    { name: 'no activity attempt was lost', holds: lost.length === 0, detail: lostDetail(lost) },
    ...fleets.map(({ pool, requests, peak, running }) => ({
      name: requests > 0 ? `${pool} scaled from zero for ${requests} requests, and back` : `${pool} stayed at zero`,
      holds: running[0] === 0 && peak > 0 === requests > 0 && running.at(-1) === 0,
      detail: `${turningPoints(running).join(' → ') || '?'} tasks`,
    })),
    {
      name: 'no alarm fired',
      holds: facts.alarmsFired.length === 0,
      detail: facts.alarmsFired.join('; ') || 'none',
    },
    {
      name: 'the run ended in time',
      holds: facts.seconds <= facts.limitSeconds,
      detail: `${clock(facts.seconds)}, limit ${clock(facts.limitSeconds)}`,
    },
  ];
}

function lostDetail(reasons: string[]): string {
  const counts = Map.groupBy(reasons, (reason) => reason);
  return [`${reasons.length} lost`, ...[...counts].map(([reason, { length }]) => `${length} × ${reason}`)].join(', ');
}

function fleetSummary(
  { pool, requests, before, after }: RunFacts['fleets'][number],
  span: RunFacts['span'],
): FleetSummary {
  const running = changesOf(after?.history ?? [], span.from);
  const peak = Math.max(0, ...running);
  return {
    pool,
    requests,
    running,
    peak,
    taskSeconds: (after?.taskSeconds ?? 0) - (before?.taskSeconds ?? 0),
    alwaysOnTaskSeconds: (peak * (span.to - span.from)) / 1000,
  };
}

/** The running tasks at the given time, and at each change after it. */
function changesOf(history: FleetSample[], from: number): number[] {
  const atStart = history.findLast(({ at }) => at <= from);
  const samples = [...(atStart ? [atStart] : []), ...history.filter(({ at }) => at > from)];
  return samples.map(({ running }) => running).filter((running, i, all) => i === 0 || running !== all[i - 1]);
}

/** The first and last values, and the turning points between growth and shrinkage. */
function turningPoints(values: number[]): number[] {
  return values.filter((value, i) => {
    const [before, after] = [values[i - 1], values[i + 1]];
    return before === undefined || after === undefined || value > before !== after > value;
  });
}

/** By nearest rank, so that it is an observed value. */
function percentile(sorted: number[], share: number): number | null {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? null;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function seconds(value: number | null): string {
  return value === null ? '?' : `${value.toFixed(1)} s`;
}
