/** Plays a pool of twenty slots a task for some ticks, with what each of them reads. */
import {
  decide,
  DEFAULT_POLICY,
  type Decision,
  type Policy,
  type QueueReading,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from '../../scaler/policy.ts';

export const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100 };
export const TICK_SECONDS = 10;

export const queue = (changes: Partial<QueueReading> = {}): QueueReading => ({
  backlog: 0,
  ageSeconds: 0,
  addRate: 0,
  dispatchRate: 0,
  rateLimited: false,
  ...changes,
});
export const worker = (task: string | null, changes: Partial<WorkerReading> = {}): WorkerReading => ({
  key: `${task}-worker`,
  task,
  ageSeconds: 3,
  usedSlots: 0,
  slots: 20,
  processed: 0,
  failed: 0,
  ...changes,
});
export const names = (count: number, first = 't') => Array.from({ length: count }, (_, index) => `${first}${index}`);

export const running = (ids: string[], changes: Partial<TasksReading> = {}): TasksReading => ({
  desired: ids.length,
  running: ids,
  pending: [],
  cordoned: [],
  ...changes,
});

/** `read` gets the number of the tick and the tasks that are there: as many as were ordered a minute before, all of them up. */
export function play(
  ticks: number,
  read: (tick: number, ids: string[]) => Partial<Signals>,
  { tasks = 1, follows = false, with_ = policy }: { tasks?: number; follows?: boolean; with_?: Policy } = {},
): Decision[] {
  const decisions: Decision[] = [];
  let memory: unknown;
  for (let tick = 0; tick < ticks; tick += 1) {
    const ordered = follows ? (decisions[Math.max(0, tick - 6)]?.desired ?? tasks) : tasks;
    const desired = follows ? (decisions.at(-1)?.desired ?? tasks) : tasks;
    const present = tick < 6 ? tasks : ordered;
    const ids = names(follows ? Math.min(present, desired) : tasks);
    const starting = names(Math.max(0, desired - ids.length), 'starting');
    const signals: Signals = {
      activityQueue: queue(),
      workflowQueue: queue(),
      workers: ids.map((id) => worker(id)),
      tasks: running(ids, { desired, pending: starting }),
      ...read(tick, ids),
    };
    const outcome = decide(signals, memory, with_, tick * TICK_SECONDS * 1000);
    memory = JSON.parse(JSON.stringify(outcome.memory));
    decisions.push(outcome.decision);
  }
  return decisions;
}

export const counts = (decisions: Decision[]) => decisions.map(({ desired }) => desired);
