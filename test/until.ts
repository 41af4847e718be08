import { setTimeout as delay } from 'node:timers/promises';

/** Awaits a condition, and names it if it was never met. */
export async function until<T>(
  what: string,
  seconds: number,
  condition: () => Promise<T | false | undefined> | T | false | undefined,
  detail: () => unknown = () => '',
  everyMs = 500,
): Promise<T> {
  const giveUpAt = Date.now() + seconds * 1000;
  while (Date.now() < giveUpAt) {
    const found = await condition();
    if (found) return found;
    await delay(everyMs);
  }
  throw new Error(`not within ${seconds} seconds: ${what}\n${String(detail())}`);
}
