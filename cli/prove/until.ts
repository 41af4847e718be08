/** Waits for something of a real account, which tells of nothing by itself: it is asked again and again. */
import { setTimeout as delay } from 'node:timers/promises';
import { CommandError, type Shell } from '../shell.ts';

const LOOK_EVERY_MS = 1000;

/** The first answer there is; throws when there is none in time, or the command is ended. `detail` says how it stands. */
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
