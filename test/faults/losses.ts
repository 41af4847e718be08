/** The attempts at work that a run has lost: on which task, why, and whether the worker may have had them. */
import { existsSync, readFileSync } from 'node:fs';
import { FRESH_MS } from '../../worker/temporal/contact.ts';
import type { TaskSummary } from '../../local/fargate/index.ts';
import type { FaultyStack } from './faulty-stack.ts';

/** From the worker's decision to send a result until it is there, on a busy machine. */
const ON_ITS_WAY_MS = 500;

export interface Job {
  id: string;
  pool: string;
  kind: 'activity' | 'workflow';
  ended?: 'completed' | 'failed';
  /** By attempt, the task that had it and since when; and how it ended, where it failed. */
  attempts: Map<number, { task: string; startedAt: number }>;
  failures: Map<number, string>;
  result: Promise<void>;
}

export interface Lost {
  id: string;
  pool: string;
  attempt: number;
  task: string;
  why: string;
  how: string;
  /** Whether the worker may have had it. */
  arrived: boolean;
  /** Whether Temporal was seen to refuse its result. */
  refused: boolean;
}

export class Losses {
  readonly #faulty: FaultyStack;

  constructor(faulty: FaultyStack) {
    this.#faulty = faulty;
  }

  /** All attempts but the one that completed. A retry that waits counts as the attempt after, on the task of the one before. */
  of({ id, pool, ended, attempts, failures }: Job): Lost[] {
    const count = Math.max(0, ...attempts.keys());
    const lost = ended === 'completed' ? count - 1 : count;
    return Array.from({ length: lost }, (_, index) => {
      const attempt = index + 1;
      const { task = '', startedAt = 0 } = attempts.get(attempt) ?? {};
      const about = this.#faulty.tasks.get(task);
      const why = about?.stopCode ?? 'nothing known';
      const cordonedAt = this.#cordonedAt(pool, task);
      const failure = failures.get(attempt) ?? 'no failure reported';
      const silent = !failures.has(attempt) || /timeout/i.test(failure);
      const how = `${failure}, begun ${(startedAt - cordonedAt) / 1000} s after the cordon`;
      const arrived = !silent || !isInOrder(about) || startedAt >= cordonedAt;
      return {
        id,
        pool,
        attempt,
        task,
        why,
        how,
        arrived,
        refused: silent && this.#wasRefused(id, task, startedAt, attempts.get(attempt + 1)?.startedAt),
      };
    });
  }

  /** A call with this activity's result, from this task and in the attempt's time, came to Temporal and was refused. */
  #wasRefused(id: string, task: string, startedAt: number, endedAt = Infinity): boolean {
    return this.#faulty.refusedReports.some(({ at, afterMs, message }) => {
      const inTime = startedAt <= at && at < endedAt && afterMs < FRESH_MS + ON_ITS_WAY_MS;
      return inTime && task !== '' && names(message, id) && names(message, task);
    });
  }

  /** When the task was last told to leave. */
  #cordonedAt(pool: string, task: string): number {
    const lines = this.#faulty.linesOf(pool);
    const last = lines.findLastIndex(({ cordon }) => cordon.includes(task));
    const before = lines.findLastIndex(({ cordon }, index) => index < last && !cordon.includes(task));
    return lines[before + 1]?.now ?? 0;
  }

  /** What the scaler decided around the task's end, and what the worker in it said. */
  tellStoryOf(id: string, tell: (line: string) => void): void {
    const task = this.#faulty.tasks.get(id);
    tell(`task ${id}: ${JSON.stringify(task)}`);
    if (task === undefined) return;
    const stoppedAt = task.history.find(({ status }) => status === 'DEACTIVATING')?.at ?? Date.now();
    const around = this.#faulty.linesOf(task.service).filter(({ now }) => Math.abs(now - stoppedAt) < 10_000);
    for (const { now, desired, cordon, reason, errors, tasks } of around)
      tell(JSON.stringify({ seconds: (now - stoppedAt) / 1000, desired, cordon, reason, errors, tasks }));
    if (existsSync(task.logFile)) tell(readFileSync(task.logFile, 'utf8'));
  }
}

/** With its length before it, as protobuf has it, so that no longer name will do. */
function names(message: Buffer, name: string): boolean {
  return message.includes(Buffer.concat([Buffer.of(name.length), Buffer.from(name)]));
}

/** The worker has left by itself, and has cancelled nothing. */
function isInOrder(task: TaskSummary | undefined): boolean {
  if (task === undefined || !existsSync(task.logFile)) return false;
  const log = readFileSync(task.logFile, 'utf8');
  return log.includes('Protection lifted') && log.includes('all work is finished') && !log.includes('"unfinished"');
}
