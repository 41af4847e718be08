/**
 * Renews the credentials for Temporal under a running worker (contract/temporal-access.ts says where they come from). Files and
 * secret are reread every few minutes, and at once when the server refuses the worker. Changes are passed to the worker, so
 * that a rotation needs no restart.
 */
import { setTimeout as wait } from 'node:timers/promises';
import {
  describeAccess,
  readAccess,
  sameAccess,
  secretsOf,
  type AccessSource,
  type TemporalAccess,
} from '../../contract/temporal-access.ts';
import type { Logger } from '../observability/logging.ts';

export { describeAccess, readAccess, secretsOf, type AccessSource, type TemporalAccess };

interface AccessWatch {
  source: AccessSource;
  current: TemporalAccess;
  pollSeconds: number;
  /** Applies new credentials; while it rejects, the old ones stay in use, and it is called again at the next reading. */
  use: (access: TemporalAccess) => Promise<void>;
  log: Pick<Logger, 'info' | 'warn'>;
  signal: AbortSignal;
}

/** A requested reading happens at least this long after the previous one, and at most twice as long. */
const LOOK_AGAIN_SECONDS = 5;

/**
 * Rereads every `pollSeconds` until aborted, and sooner when the returned `look` is called. A failed reading changes nothing,
 * and is logged once.
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
      if (why !== told)
        log.warn({ why }, 'Cannot renew the credentials for Temporal: continuing with the current ones');
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

/** A little earlier or later each time, so that a fleet's tasks do not all ask at once. */
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
