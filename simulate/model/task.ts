/** A task of the service, or somebody else's worker, with the slots that its worker has for each kind of work. */
import type { SlotsReading, WorkerReading } from '../../scaler/policy.ts';
import { KINDS, type Kind } from './settings.ts';

export interface ModelTask {
  id: string;
  key: string;
  number: number;
  isOwn: boolean;
  state: 'pending' | 'running' | 'stopping' | 'stopped';
  revision: number;
  orderedAt: number;
  stoppedAt: number;
  /** As the scaler wrote it; the worker has seen it where `polling` is the opposite. It stops activities only: workflow tasks are short. */
  cordoned: boolean;
  polling: boolean;
  /** When the last poll ends that was open when the worker stopped polling; Infinity where none is open. */
  pollEndsAt: number;
  /** It has finished its work and removed its protection. */
  leaving: boolean;
  /** When its thread for workflow tasks is free. */
  threadFreeAt: number;
  slots: Record<Kind, Slots>;
  failed: number;
  heartbeat: Heartbeat | undefined;
}

export interface Slots {
  task: ModelTask;
  size: number;
  held: Set<number>;
  processed: number;
  /** Its index in the list of available slots; -1 when it is not in it. */
  place: number;
}

type Heartbeat = Pick<WorkerReading, 'failed'> & { at: number; kinds: Record<Kind, Omit<SlotsReading, 'slots'>> };

export function newTask(of: {
  number: number;
  isOwn: boolean;
  now: number;
  revision: number;
  sizes: Record<Kind, number>;
}): ModelTask {
  const { number, isOwn, now, revision, sizes } = of;
  const task: Omit<ModelTask, 'slots'> & { slots?: ModelTask['slots'] } = {
    id: `${isOwn ? 't' : 'foreign'}${number}`,
    key: `${isOwn ? 'w' : 'foreign'}${number}`,
    number,
    isOwn,
    state: 'pending',
    revision,
    orderedAt: now,
    stoppedAt: Infinity,
    cordoned: false,
    polling: false,
    pollEndsAt: Infinity,
    leaving: false,
    threadFreeAt: 0,
    failed: 0,
    heartbeat: undefined,
  };
  const slotsOf = (kind: Kind): Slots => ({
    task: task as ModelTask,
    size: sizes[kind],
    held: new Set(),
    processed: 0,
    place: -1,
  });
  task.slots = { activity: slotsOf('activity'), workflowTask: slotsOf('workflowTask') };
  return task as ModelTask;
}

export function holdsNothing({ slots }: ModelTask): boolean {
  return KINDS.every((kind) => slots[kind].held.size === 0);
}

/** The slots at this moment: work that is shorter than the heartbeat interval is seen by chance. */
export function beat(task: ModelTask, now: number): void {
  const of = ({ held, processed }: Slots) => ({ usedSlots: held.size, processed });
  const { activity, workflowTask } = task.slots;
  task.heartbeat = { at: now, failed: task.failed, kinds: { activity: of(activity), workflowTask: of(workflowTask) } };
}

/** The newest heartbeat as the server reports it; undefined before the first. */
export function readingOf(
  { heartbeat, isOwn, id, key }: ModelTask,
  said: { slots: number | null; workflowSlots: number },
  now: number,
): WorkerReading | undefined {
  if (heartbeat === undefined) return undefined;
  const { at, failed, kinds } = heartbeat;
  return {
    key,
    task: isOwn ? id : null,
    ageSeconds: now - at,
    slots: said.slots,
    failed,
    ...kinds.activity,
    ...(said.workflowSlots > 0 && { workflowTasks: { slots: said.workflowSlots, ...kinds.workflowTask } }),
  };
}

/** Slots with room for one kind of work. Temporal spreads work over all workers that poll. */
export class Available {
  readonly #list: Slots[] = [];

  get count(): number {
    return this.#list.length;
  }

  at(share: number): Slots {
    return this.#list[Math.floor(share * this.#list.length)]!;
  }

  set(slots: Slots, available: boolean): void {
    if (available === slots.place >= 0) return;
    if (available) {
      slots.place = this.#list.push(slots) - 1;
      return;
    }
    const last = this.#list.pop()!;
    if (last !== slots) {
      this.#list[slots.place] = last;
      last.place = slots.place;
    }
    slots.place = -1;
  }
}
