/** A pool with ten slots per task, and what a tick may read of it. */
import {
  decide,
  DEFAULT_POLICY,
  type Policy,
  type Signals,
  type TasksReading,
  type WorkerReading,
} from '../../scaler/policy.ts';

export const policy: Policy = { ...DEFAULT_POLICY, maxTasks: 100, slotsPerTask: 10 };
export const second = 1000;

export const queue = (backlog: number, rateLimited = false) => ({
  backlog,
  ageSeconds: backlog > 0 ? 2 : 0,
  addRate: 0,
  dispatchRate: 0,
  rateLimited,
});
export const worker = (task: string, usedSlots: number): WorkerReading => ({
  key: `${task}-worker`,
  task,
  ageSeconds: 3,
  usedSlots,
  slots: 10,
  processed: 0,
  failed: 0,
});
export const running = (...ids: string[]): TasksReading => ({
  desired: ids.length,
  running: ids,
  pending: [],
  cordoned: [],
});

export function signals(changes: Partial<Signals> = {}): Signals {
  return { activityQueue: queue(0), workflowQueue: queue(0), workers: [], tasks: running(), ...changes };
}

/** A memory of work of the given seconds, with ten busy slots in each of two tasks, for ten minutes until `until`. */
export function experienced(serviceSeconds: number, until = 0): unknown {
  let memory: unknown;
  for (let at = -600; at <= 0; at += 10) {
    const processed = Math.floor(((at + 600) * 10) / serviceSeconds);
    const workers = ['x', 'y'].map((task) => ({ ...worker(task, 10), processed }));
    memory = decide(signals({ workers, tasks: running('x', 'y') }), memory, policy, until + at * second).memory;
  }
  return memory;
}
