/**
 * The credentials for Temporal (contract/temporal-access.ts says where they come from) under a worker that goes on: all of
 * it is looked at again every few minutes, and at once when the server refuses the worker, files and secret alike. What has
 * changed is handed to the worker, so that a rotation needs no restart.
 */
import { setTimeout as wait } from 'node:timers/promises';
import {
  describeAccess,
  readAccess,
  sameAccess,
  secretsOf,
  type AccessSource,
  type TemporalAccess,
} from '../contract/temporal-access.ts';
import type { Logger } from './logging.ts';

export { describeAccess, readAccess, secretsOf, type AccessSource, type TemporalAccess };

export interface AccessWatch {
  source: AccessSource;
  current: TemporalAccess;
  pollSeconds: number;
  /** Makes use of what is new; while it rejects, the old is kept, and it is called again at the next look. */
  use: (access: TemporalAccess) => Promise<void>;
  log: Pick<Logger, 'info' | 'warn'>;
  signal: AbortSignal;
}

/** A look that was asked for comes so long after the one before, at the least, to twice that. */
const LOOK_AGAIN_SECONDS = 5;

/**
 * Looks every `pollSeconds` until aborted, and sooner when `look` of what it returns is called. A look that fails changes
 * nothing, and is told once.
 */
export function watchAccess({ source, current, pollSeconds, use, log, signal }: AccessWatch): { look: () => void } {
  let told = '';
  let asked = Promise.withResolvers<void>();
  const look = async () => {
    try {
      const access = await readAccess(source);
      if (!sameAccess(access, current)) {
        await use(access);
        current = access;
        log.info(describeAccess(access), 'New credentials for Temporal are in use');
      }
      told = '';
    } catch (error) {
      const why = (error as Error).message;
      if (why !== told) log.warn({ why }, 'The credentials for Temporal cannot be renewed: going on with those in use');
      told = why;
    }
  };
  const follow = async () => {
    while (await pause(pollSeconds, asked.promise, signal)) {
      asked = Promise.withResolvers();
      await look();
    }
  };
  void follow();
  return { look: () => asked.resolve() };
}

/** A little earlier or later each time, so that the tasks of a fleet do not ask all at once. */
async function pause(seconds: number, asked: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const passed = (s: number) =>
    wait(s * 1000, undefined, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => undefined);
  const soonest = Math.min(seconds, LOOK_AGAIN_SECONDS * (1 + Math.random()));
  await passed(soonest);
  await Promise.race([asked, passed(seconds * (0.9 + 0.2 * Math.random()) - soonest)]);
  over.abort();
  return !signal.aborted;
}
