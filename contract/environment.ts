/** Environment variables that the stack writes for its processes. The readers' own files have the names, and how each is read. */
import { formatSlots, type Slots } from './slots.ts';

/** Some of a reader's variables, by name, with the values that it will read. */
export type Some<Variables> = { [Name in keyof Variables]?: Variables[Name] | undefined };

/** As texts. Variables without a value are left out. */
export function textsOf(values: Record<string, string | Slots | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' ? value : formatSlots(value)]],
    ),
  );
}
