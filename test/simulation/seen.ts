/** What each invocation of the scaler has read, as far as the checks need it. */
import type { Invocation } from './lambda.ts';
import type { VirtualTime } from './time.ts';

export interface Seen {
  tickAt: number;
  temporal: Map<string, boolean>;
  /** The tasks whose workers Temporal listed. */
  reporting: Map<string, Set<string>>;
  services: Map<string, { tasks: Set<string>; deploying: boolean }>;
  versions: Map<string, unknown>;
  /** Orders that are right only for work that has come before at such a time. */
  unneeded: Map<string, string>;
}

export class SeenByInvocations {
  readonly #time: VirtualTime;
  readonly #seen = new WeakMap<Invocation, Seen>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  by(invocation: Invocation): Seen {
    let seen = this.#seen.get(invocation);
    if (seen === undefined) {
      seen = {
        tickAt: this.#time.now,
        temporal: new Map(),
        reporting: new Map(),
        services: new Map(),
        versions: new Map(),
        unneeded: new Map(),
      };
      this.#seen.set(invocation, seen);
    }
    return seen;
  }
}
