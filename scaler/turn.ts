/**
 * Decides which invocation ticks. The schedule's minute may be 1 to 119 seconds long, so an invocation ticks until the next one
 * arrives, and the next one waits until the previous one has written its memory. If that fails, both tick for a while, and the
 * state's versions let only one of them act.
 */
import { LONGEST_INVOCATION_SECONDS } from '../contract/invocation.ts';
import type { Clock } from './loop.ts';
import type { StateTable } from './act/state.ts';

export type TurnTable = Pick<StateTable, 'announce' | 'readTurn' | 'beginTurn' | 'endTurn'>;

const LOOK_EVERY_MS = 1000;

export class Turn {
  readonly #table: TurnTable;
  readonly #clock: Clock;
  readonly #invocation: string;

  constructor(table: TurnTable, clock: Clock, invocation: string) {
    this.#table = table;
    this.#clock = clock;
    this.#invocation = invocation;
  }

  /** Waits for the ticking invocation, at most this long. False if a newer one has come meanwhile, whose turn it is then. */
  async begin(waitMs: number): Promise<boolean> {
    const giveUpAt = this.#clock.now() + waitMs;
    try {
      await this.#table.announce(this.#invocation);
      while (this.#clock.now() < giveUpAt) {
        const { newest, ticking, since } = await this.#table.readTurn(true);
        if (newest !== this.#invocation) return false;
        if (ticking === undefined || this.#clock.now() - since > LONGEST_INVOCATION_SECONDS * 1000) break;
        await this.#clock.sleep(LOOK_EVERY_MS);
      }
      await this.#table.beginTurn(this.#invocation, this.#clock.now());
    } catch {
      // Without the table there is nothing to wait for; the tick reports what is wrong with it.
    }
    return true;
  }

  /** Whether another invocation waits. */
  async isAwaited(): Promise<boolean> {
    try {
      const { newest } = await this.#table.readTurn(false);
      return newest !== undefined && newest !== this.#invocation;
    } catch {
      return false;
    }
  }

  /** Never throws: on failure the next invocation waits a little in vain. */
  async end(): Promise<void> {
    await this.#table.endTurn(this.#invocation).catch(() => undefined);
  }
}
