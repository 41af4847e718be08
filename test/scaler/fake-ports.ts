/** Temporal, ECS and the state table as plain values, with a journal of everything that was done, in order. */
import type { PoolConfig } from '../../contract/pool-config.ts';
import type { Outcome, Reading } from '../../scaler/policy.ts';
import type { Overrides } from '../../scaler/read/overrides.ts';
import type { UncordonedTasks } from '../../scaler/read/ecs.ts';
import type { TemporalSignals } from '../../scaler/read/temporal.ts';
import type { ReportedWorker } from '../../scaler/read/workers.ts';
import { OtherScalerError, type PoolState } from '../../scaler/act/state.ts';
import type { Ports } from '../../scaler/ports.ts';
import type { TickRecord } from '../../scaler/report/tick-record.ts';

export class FakePorts implements Ports {
  readonly pools: PoolConfig[];
  readonly journal: string[] = [];
  /** The pools that the workers were told are being deployed. */
  deploying: string[] = [];
  readonly reports = new Map<string, { record: TickRecord; outcome: Outcome; errors: string[] }>();
  readonly queued = new Map<string, number>();
  readonly tasks = new Map<string, Reading<UncordonedTasks>>();
  readonly addresses = new Map<string, string>();
  readonly workers: ReportedWorker[] = [];
  overrides: Overrides = { policy: {}, problems: [] };
  readonly cordons = new Set<string>();
  readonly stored = new Map<string, PoolState>();
  readonly broken = new Set<string>();
  /** Pools that are read when this settles. */
  readonly slow = new Map<string, Promise<void>>();
  /** Of the newest tick. */
  atRest: string[] = [];
  /** Where an earlier reading of the queues stands. */
  readSecondsAgo: number | undefined;

  constructor(...names: string[]) {
    this.pools = names.map((name) => ({
      pool: name,
      taskQueue: `${name}-queue`,
      cluster: 'cluster',
      service: name,
      taskRoleId: 'AROA',
      protection: 'worker',
      policy: { maxTasks: 10, slotsPerTask: 1, scaleInAfterSeconds: 30 },
    }));
    for (const name of names) this.hasTasks(name);
  }

  hasTasks(pool: string, ...running: string[]): void {
    this.tasks.set(pool, { desired: running.length, running, pending: [], outdated: [] });
  }

  temporal: Ports['temporal'] = {
    readEach: (pools) => {
      this.atRest = pools.filter(({ atRest }) => atRest).map(({ pool }) => pool);
      return new Map(pools.map(({ pool, taskQueue }) => [pool, this.#read(pool, taskQueue)]));
    },
  };

  ecs: Ports['ecs'] = {
    read: async () =>
      new Map(
        [...this.tasks].map(([pool, tasks]) => [pool, { tasks, addresses: this.addresses, overrides: this.overrides }]),
      ),
  };

  setDesired: Ports['setDesired'] = async (pool, desired) => this.#do('ecs', `${pool.pool}: desired ${desired}`);

  state: Ports['state'] = {
    load: async (pools) => {
      await this.#do('load', `load ${pools.join(' ')}`);
      const none: PoolState = { version: 0, memory: undefined, decision: undefined };
      return new Map(pools.map((pool) => [pool, this.stored.get(pool) ?? none]));
    },
    save: async (pool, state) => {
      await this.#do('save', `${pool}: remember`);
      const stored = this.stored.get(pool)?.version ?? 0;
      if (stored !== state.version) throw new OtherScalerError('another one');
      this.stored.set(pool, { ...state, version: stored + 1 });
      return stored + 1;
    },
    markTick: async (_now, mode, pools, due) => {
      if (due) await this.#do('mark', mode === 'act' ? 'mark' : 'mark as observing');
      this.deploying = [...pools].filter(([, tasks]) => tasks).map(([pool]) => pool);
    },
    cordoned: async (tasks) => {
      if (this.broken.has('cordons')) throw new Error('table down');
      return new Map([...tasks].map(([pool, ids]) => [pool.pool, ids.filter((id) => this.cordons.has(id))]));
    },
    cordon: async (pool, ids) => this.#do('cordon', `${pool.pool}: cordon ${ids.join(' ')}`),
    takeBack: async (pool, ids) => this.#do('cordon', `${pool.pool}: take back ${ids.join(' ')}`),
  };

  telemetry: Ports['telemetry'] = {
    report: (record, outcome, errors) => void this.reports.set(record.pool, { record, outcome, errors }),
  };

  async #do(part: string, entry: string): Promise<void> {
    if (this.broken.has(part)) throw new Error(`${part} is down`);
    this.journal.push(entry);
  }

  async #read(pool: string, taskQueue: string): Promise<TemporalSignals> {
    await this.slow.get(pool);
    return this.#signalsOf(taskQueue);
  }

  #signalsOf(taskQueue: string): TemporalSignals {
    if (this.broken.has(taskQueue)) {
      const unknown = { unknown: 'Temporal is down' };
      return { activityQueue: unknown, workflowQueue: unknown, workers: unknown };
    }
    const { readSecondsAgo } = this;
    const carried = readSecondsAgo === undefined ? {} : { readSecondsAgo };
    const queue = { ageSeconds: 1, addRate: 0, dispatchRate: 0, rateLimited: false, ...carried };
    return {
      activityQueue: { ...queue, backlog: this.queued.get(taskQueue) ?? 0 },
      workflowQueue: { ...queue, backlog: 0 },
      workers: this.workers,
    };
  }
}

export const at = (seconds: number, mode: 'act' | 'observe' = 'act') => ({ mode, now: seconds * 1000, keeps: false });

/** A worker that has just reported. */
export const worker = (name: string, state: { busy?: boolean; ageSeconds?: number } = {}): ReportedWorker => ({
  key: name,
  task: `1@${name}`,
  names: ['1', name],
  ageSeconds: state.ageSeconds ?? 2,
  usedSlots: Number(state.busy ?? false),
  slots: 1,
  processed: 0,
  failed: 0,
});
