/**
 * A pool's last hours, from the same sources as the command line: the scaler's log, which may lag by a minute; the state table,
 * which has the newest decision at once; and the wait metrics. Read only while somebody asks, and only what is new.
 */
import { METRICS } from '../contract/metrics.ts';
import type { PoolConfig, PoolPolicy } from '../contract/pool-config.ts';
import { DEFAULT_POLICY, known, type Policy } from '../scaler/policy.ts';
import type { LoggedTick, PoolItem } from '../scaler/report/written.ts';
import { readPoolState } from '../deployed/pool-item.ts';
import { readTicks } from '../deployed/scaler-log.ts';
import { reasonOf, type Stack } from '../deployed/stacks.ts';
import { Series } from './series.ts';
import type { PoolHistory, TickView, WaitView } from './view.ts';
import { readWaits } from './waits.ts';

export const MOST_MINUTES = 12 * 60;
/** How long it may take until a logged line can be read. */
const LOG_LAG_MS = 120_000;
const LOG_EVERY_MS = 5000;
const WAITS_EVERY_MS = 30_000;

export interface HistoryRequest {
  minutes: number;
  /** 0 requests everything. */
  cursor: number;
  now: number;
}

export class History {
  #changes = 0;
  readonly #ticks = new Series<TickView>(() => (this.#changes += 1));
  readonly #waits = new Series<WaitView>(() => (this.#changes += 1));
  /** The part of the log that was read, and the waits. */
  #log: { from: number; readAt: number } | undefined;
  #waitsRead: { from: number; readAt: number } | undefined;
  #policy: PoolPolicy | undefined;
  #reading: Promise<string[]> | undefined;

  /** Simultaneous requests wait for the same reading. */
  async read(stack: Stack, pool: PoolConfig, { minutes, cursor, now }: HistoryRequest): Promise<PoolHistory> {
    const from = now - minutes * 60_000;
    const covered = this.#log !== undefined && this.#log.from <= from;
    if (this.#reading && !covered) await this.#reading;
    this.#reading ??= this.#refresh(stack, pool, from, now).finally(() => (this.#reading = undefined));
    const problems = await this.#reading;
    return {
      cursor: this.#changes,
      ticks: this.#ticks.changedSince(cursor, from),
      waits: this.#waits.changedSince(cursor, from),
      policy: { ...DEFAULT_POLICY, ...(this.#policy ?? pool.policy) } as Policy,
      problems,
    };
  }

  /** Returns what could not be read, in words; the rest is read anyway. */
  async #refresh(stack: Stack, pool: PoolConfig, from: number, now: number): Promise<string[]> {
    const failed = (what: string, right: string) => (error: unknown) =>
      `cannot read ${what}: ${reasonOf(error)}; this needs ${right}`;
    const problems = await Promise.all([
      this.#refreshLog(stack, pool.pool, from, now).catch(
        failed(`the scaler’s log ${stack.config.scalerLogGroup}`, 'logs:FilterLogEvents'),
      ),
      this.#refreshWaits(stack, pool, from, now).catch(failed('waits', 'cloudwatch:GetMetricData')),
    ]);
    // After the log, which contains more about the same tick.
    problems.push(
      await this.#refreshState(stack, pool.pool).catch(
        failed(`the state table ${stack.config.stateTable}`, 'dynamodb:GetItem'),
      ),
    );
    for (const series of [this.#ticks, this.#waits]) series.forgetBefore(now - (MOST_MINUTES + 60) * 60_000);
    return problems.filter((problem) => problem !== undefined);
  }

  async #refreshLog(stack: Stack, pool: string, from: number, now: number): Promise<undefined> {
    const read = this.#log;
    const due = read === undefined || now - read.readAt >= LOG_EVERY_MS;
    const spans = read === undefined || from < read.from ? [{ from, to: read?.from ?? now }] : [];
    if (read && due) spans.push({ from: read.readAt - LOG_LAG_MS, to: now });
    for (const span of spans) for (const tick of await readTicks(stack, pool, span)) this.#ticks.put(viewOf(tick));
    this.#log = { from: Math.min(from, read?.from ?? from), readAt: due ? now : read.readAt };
  }

  async #refreshState(stack: Stack, pool: string): Promise<undefined> {
    const state = await readPoolState(stack, pool);
    this.#policy = state?.record.policy ?? this.#policy;
    if (state && !this.#ticks.has(state.record.now)) this.#ticks.put(viewOf(asLogged(state)));
  }

  async #refreshWaits(stack: Stack, pool: PoolConfig, from: number, now: number): Promise<undefined> {
    const read = this.#waitsRead;
    if (read && read.from <= from && now - read.readAt < WAITS_EVERY_MS) return;
    const metric = pool.protection === 'worker' ? METRICS.scheduleToStart : METRICS.backlogAge;
    for (const wait of await readWaits(stack, pool.pool, metric.name, { from, to: now })) this.#waits.put(wait);
    this.#waitsRead = { from: Math.min(from, read?.from ?? from), readAt: now };
  }
}

/** Only the log has the number of attempts since the previous tick. */
function asLogged({ record, decision, figures }: PoolItem): LoggedTick {
  return { ...record, ...decision, figures: { ...figures, processed: null, failed: null }, errors: [] };
}

function viewOf({ now, tasks, figures, reason, desired, cordon, detail, errors }: LoggedTick): TickView {
  const { queued, ageSeconds, busySlots, slots, processed, failed } = figures;
  const seen = known(tasks) ? tasks : undefined;
  return {
    now,
    queued,
    ageSeconds,
    busySlots,
    slots,
    running: seen?.running.length ?? null,
    starting: seen?.pending.length ?? null,
    cordoned: seen?.cordoned.length ?? null,
    processed,
    failed,
    desired,
    cordon,
    reason,
    detail,
    errors,
  };
}
