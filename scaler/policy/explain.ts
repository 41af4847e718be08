/** What a decision is based on: the figures for metrics, and the detail, the line of numbers behind the reason. */
import { queueFigures, type Load } from './load.ts';
import { REPORTS_WITHIN_SECONDS } from './memory.ts';
import type { Need } from './need.ts';
import type { Jump } from './rhythm.ts';
import { sum } from './sums.ts';
import { known, type Figures, type Policy, type Signals } from './types.ts';

/** For a fleet that could not be read. */
export function figuresUnseen(signals: Signals): Figures {
  return {
    busySlots: null,
    slots: null,
    ...queueFigures(signals),
    liveWorkers: null,
    unreportedTasks: null,
    revisionFailing: false,
    processed: 0,
    failed: 0,
  };
}

export function figuresOf(signals: Signals, load: Load): Omit<Figures, 'revisionFailing'> {
  const fresh = load.live?.filter(({ ageSeconds }) => ageSeconds <= REPORTS_WITHIN_SECONDS * 3);
  return {
    busySlots: fresh === undefined ? null : sum(fresh.map(({ usedSlots }) => usedSlots)),
    slots: fresh === undefined ? null : sum(fresh.map(({ slots }) => slots ?? load.kinds.activities.slotsPerTask)),
    ...queueFigures(signals),
    liveWorkers: fresh?.length ?? null,
    unreportedTasks: load.live === undefined ? null : load.unreported.length,
    processed: load.processed,
    failed: load.failed,
  };
}

interface Sizes {
  present: number;
  desired: number;
  slotsAwaitingRetry: number;
  jump: Jump | undefined;
}

export function explain(load: Load, need: Need, sizes: Sizes, policy: Policy, blind: string[]): string {
  const { present, desired, slotsAwaitingRetry, jump } = sizes;
  const of = load.kinds[need.kind];
  const what = need.kind === 'activities' ? '' : need.kind === 'workflowTasks' ? 'workflow tasks: ' : 'Nexus tasks: ';
  const slots = Math.round(of.slotsPerTask);
  const stated = of.statedSlots === undefined || of.statedSlots === slots ? '' : ` (not ${of.statedSlots})`;
  const numbers =
    `${what}busy ${of.busy.toFixed(0)} queued ${of.queued} of ${slots}${stated} a task,` +
    ` ${of.rate.toFixed(1)}/s of ${of.serviceSeconds.toFixed(1)} s:` +
    ` need ${need.tasks} (${policy.minTasks}..${policy.maxTasks}), ${present} to ${desired}`;
  const notes = [
    ...(load.asked ? ['a query or a Nexus operation found no worker'] : []),
    ...(load.unplaced === 0 ? [] : [`${load.unplaced} of the tasks that were ordered do not come up`]),
    ...(of.rateLimit === undefined ? [] : [`the queue lets through ${of.rateLimit}/s`]),
    ...(of.foreign.slots === 0 ? [] : [`${of.foreign.slots} slots are other workers'`]),
    ...(jump === undefined ? [] : [`by its habit, work for ${jump.tasks} tasks is expected at ${timeOf(jump.at)} UTC`]),
    ...unknownNote(load, blind),
    ...(slotsAwaitingRetry === 0 ? [] : [`${slotsAwaitingRetry} to come back from tasks that are gone`]),
  ];
  return [numbers, ...notes].join('; ');
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

function unknownNote({ unreported }: Load, blind: string[]): string[] {
  const silent = unreported.length;
  const unknown = silent > 0 ? [...blind, `${silent} ${silent === 1 ? 'task' : 'tasks'} without a report`] : blind;
  return unknown.length === 0 ? [] : [`unknown: ${unknown.join(', ')}`];
}

/** The signals that could not be read. */
export function unknowns(signals: Signals): string[] {
  return Object.entries(signals)
    .filter(([, reading]) => !known<unknown>(reading))
    .map(([name]) => name);
}
