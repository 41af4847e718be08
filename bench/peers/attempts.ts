/** What workers write of each attempt, and what it comes to. */
import { existsSync, readFileSync } from 'node:fs';
import type { Work } from '../../simulate/model.ts';
import { waitFigures } from '../../simulate/score.ts';

/** An attempt that has not been heard of for so long is tried again. */
export const HEARTBEAT_SECONDS = 10;

export interface AttemptLine {
  /** Its index among the load's work. */
  work: number;
  attempt: number;
  /** Epoch milliseconds: one of both. */
  begun?: number;
  done?: number;
}

interface AttemptFigures {
  waitMean: number;
  waitP50: number;
  waitP95: number;
  /** Attempts that began and did not end well; of work that was not done in the end, the last one is taken for running. */
  killed: number;
  /** Work that was not done when the watch ended. */
  undone: number;
  /** Seconds that the slowest twentieth of attempts took longer than they were asked to. */
  overrunP95: number;
  /** Epoch milliseconds. */
  lastDoneAt: number;
}

export function readAttempts(logFiles: readonly string[]): AttemptLine[] {
  return logFiles
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line.startsWith('{"work":'))
    .map((line) => JSON.parse(line) as AttemptLine);
}

/** Work that was never done has waited to the end. */
export function figuresOf(
  work: readonly Work[],
  lines: readonly AttemptLine[],
  startedAt: number,
  endedAt: number,
): AttemptFigures {
  const begun = new Map(lines.filter((line) => line.begun !== undefined).map((line) => [key(line), line.begun!]));
  const done = new Map(lines.filter((line) => line.done !== undefined).map((line) => [line.work, line]));
  const waits = work.map(({ arrivalSeconds }, index) => {
    const end = done.get(index);
    const from = end === undefined ? endedAt : (begun.get(key(end)) ?? endedAt);
    return (from - startedAt) / 1000 - arrivalSeconds;
  });
  const overruns = [...done.values()].map(
    (line) => (line.done! - (begun.get(key(line)) ?? line.done!)) / 1000 - work[line.work]!.serviceSeconds,
  );
  const atWork = new Set(lines.map((line) => line.work)).size - done.size;
  const { waitMean, waitP50, waitP95 } = waitFigures(Float64Array.from(waits), 1);
  return {
    waitMean,
    waitP50,
    waitP95,
    killed: begun.size - done.size - atWork,
    undone: work.length - done.size,
    overrunP95: waitFigures(Float64Array.from(overruns), 1).waitP95,
    lastDoneAt: Math.max(startedAt, ...[...done.values()].map((line) => line.done!)),
  };
}

function key({ work, attempt }: AttemptLine): string {
  return `${work}/${attempt}`;
}
