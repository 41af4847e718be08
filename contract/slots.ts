/** A task's slots for activities: the construct writes them as text, and the worker reads them. */

/** The most slots of one kind that a task may have. */
export const MOST_SLOTS = 10_000;

export interface SlotRange {
  min: number;
  max: number;
}

/** A number of slots, or limits within which it follows the load. */
export type Slots = number | SlotRange;

/** `20`, or `5..200`; undefined if it is neither. */
export function parseSlots(text: string): Slots | undefined {
  const [, min, max] = /^(\d{1,5})(?:\.\.(\d{1,5}))?$/.exec(text) ?? [];
  if (min === undefined) return undefined;
  return max === undefined ? Number(min) : { min: Number(min), max: Number(max) };
}

export function formatSlots(slots: Slots): string {
  return typeof slots === 'number' ? `${slots}` : `${slots.min}..${slots.max}`;
}
