/** Waits for something on a real account by polling, because nothing there notifies us. */
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError } from '../../deployed/errors.ts';
import type { Shell } from '../shell.ts';

const LOOK_EVERY_MS = 1000;

/** Returns the first answer; throws if there is none in time or the command is interrupted. `detail` describes the current state. */
export async function until<T>(
  { now, signal }: Pick<Shell, 'now' | 'signal'>,
  what: string,
  seconds: number,
  ask: () => Promise<T | undefined>,
  detail: () => string = () => '',
): Promise<T> {
  for (const giveUpAt = now() + seconds * 1000; ;) {
    if (signal.aborted) throw new CommandError('interrupted');
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (now() >= giveUpAt) {
      const standing = detail();
      throw new CommandError(`not within ${seconds} s: ${what}${standing === '' ? '' : `; ${standing}`}`);
    }
    await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
