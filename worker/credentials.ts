/**
 * The credentials for Temporal (contract/temporal-access.ts says where they come from) under a worker that goes on: all of
 * it is looked at again every few minutes, files and secret alike, and what has changed is handed to the worker, so that a
 * rotation needs no restart.
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

/** Looks every `pollSeconds` until aborted. A look that fails changes nothing, and is told once. */
export async function watchAccess({ source, current, pollSeconds, use, log, signal }: AccessWatch): Promise<void> {
  let told = '';
  while (await pause(pollSeconds, signal)) {
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
  }
}

/** A little earlier or later each time, so that the tasks of a fleet do not ask all at once. */
async function pause(seconds: number, signal: AbortSignal): Promise<boolean> {
  await wait(seconds * 1000 * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
