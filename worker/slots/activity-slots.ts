/**
 * The slots for activities, with a gate: while it is closed, no new poll for an activity begins, and whatever an already open poll
 * brings is run as usual. This pauses a worker without losing work: the SDK's own way to stop polling aborts the open polls, and
 * now and then a task is on its way to one of them. Such a task is lost until its timeout, and for good if it had only one attempt
 * (2,000 short activities, 105 stops under load: 95 lost). An open poll without work ends by itself within ten seconds: see
 * relay-thread.ts.
 *
 * The price: the SDK's heartbeats contain how many slots of a custom supplier are used, but not how many are free. If their number
 * changes, the relay adds it: see heartbeat-slots.ts.
 */
import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker';

/**
 * The number of open polls: one more for each that brought work, one less for each that ended without. The SDK itself always uses
 * ten. Here a poll begins only after a turn of the JavaScript event loop, so that ten are too few under load; at rest fewer are
 * enough, and servers limit a namespace's open polls.
 */
export const MIN_OPEN_POLLS = 5;
export const MAX_OPEN_POLLS = 20;

/** One Worker that asks for slots. */
interface Asker {
  polling: number;
  retired: boolean;
}

interface Permit extends SlotPermit {
  asker: Asker;
  used?: boolean;
}

interface Request {
  asker: Asker;
  grant: (permit: Permit) => void;
  abortSignal: AbortSignal;
}

/** Supplies slots to one of the SDK's Workers. */
export interface ActivitySlotSupplier extends CustomSlotSupplier<ActivitySlotInfo> {
  /** Supplies no more, and no longer counts its open polls: they are refused, if core has not ended them yet. */
  retire(): void;
}

export class ActivitySlots {
  #slots: number;
  readonly #onChange: () => void;
  readonly #waiting: Request[] = [];
  #open = true;
  #allowedPolls = MIN_OPEN_POLLS;
  #polling = 0;
  /** The part of these that belongs to retired Workers. */
  #retiredPolls = 0;
  #used = 0;

  constructor(slots: number, onChange: () => void = () => undefined) {
    this.#slots = slots;
    this.#onChange = onChange;
  }

  /** Lowering the number takes no slot away: slots in use are released by their users. */
  resize(slots: number): void {
    this.#slots = slots;
    this.#grant();
  }

  get used(): number {
    return this.#used;
  }

  /** Nothing runs, and no poll is open that could bring work. */
  get idle(): boolean {
    return this.#used === 0 && this.#polling === 0;
  }

  get closed(): boolean {
    return !this.#open;
  }

  open(): void {
    this.#open = true;
    this.#grant();
  }

  close(): void {
    this.#open = false;
  }

  /** The slots belong to the process: a Worker shares them with a predecessor that still finishes its work. */
  supplier(): ActivitySlotSupplier {
    const asker = newAsker();
    return {
      type: 'custom',
      reserveSlot: (context, abortSignal) => this.reserveSlot(context, abortSignal, asker),
      // Requested for eager activities: never granted, because these are missing from the backlog that the fleet is sized by.
      tryReserveSlot: () => null,
      markSlotUsed: ({ permit }) => this.markSlotUsed({ permit: permit as Permit }),
      releaseSlot: ({ permit }) => this.releaseSlot({ permit: permit as Permit }),
      retire: () => this.#retire(asker),
    };
  }

  /** An aborted request is skipped instead of answered, because a listener for each would be expensive. */
  reserveSlot(_: unknown, abortSignal: AbortSignal, asker: Asker = newAsker()): Promise<Permit> {
    return new Promise((grant) => {
      this.#waiting.push({ asker, grant, abortSignal });
      this.#grant();
    });
  }

  markSlotUsed({ permit }: { permit: Permit }): void {
    permit.used = true;
    this.#countPoll(permit.asker, -1);
    this.#used += 1;
    this.#allowedPolls = Math.min(MAX_OPEN_POLLS, this.#allowedPolls + 1);
    this.#grant();
    this.#onChange();
  }

  releaseSlot({ permit: { asker, used } }: { permit: Permit }): void {
    if (used) {
      this.#used -= 1;
    } else {
      this.#countPoll(asker, -1);
      this.#allowedPolls = Math.max(MIN_OPEN_POLLS, this.#allowedPolls - 1);
    }
    this.#grant();
    this.#onChange();
  }

  #retire(asker: Asker): void {
    asker.retired = true;
    this.#retiredPolls += asker.polling;
    this.#grant();
  }

  #countPoll(asker: Asker, change: 1 | -1): void {
    asker.polling += change;
    this.#polling += change;
    if (asker.retired) this.#retiredPolls += change;
  }

  /**
   * Grants no more permits than polls may be open: the SDK would take one in advance and keep it until a poll ends, so that one
   * more poll would begin after the gate is closed.
   */
  #grant(): void {
    while (this.#open && this.#mayPoll()) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next.abortSignal.aborted || next.asker.retired) continue;
      this.#countPoll(next.asker, 1);
      next.grant({ asker: next.asker });
    }
  }

  #mayPoll(): boolean {
    const polling = this.#polling - this.#retiredPolls;
    return polling < this.#allowedPolls && polling + this.#used < this.#slots;
  }
}

function newAsker(): Asker {
  return { polling: 0, retired: false };
}
