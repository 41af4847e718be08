/** Checks of one value: return nothing if it is valid or undefined, otherwise the value and what to choose. */

export function oneOf(name: string, value: string | undefined, words: readonly string[]): string[] {
  if (value === undefined || words.includes(value)) return [];
  return [`${name} is "${value}"; choose one of ${words.join(', ')}`];
}

export function within(
  name: string,
  value: number | undefined,
  low: number,
  high: number,
  kind = 'a whole number',
): string[] {
  if (value === undefined) return [];
  const fits = value >= low && value <= high && (!kind.startsWith('a whole') || Number.isInteger(value));
  return fits ? [] : [`${name} is ${value}; choose ${kind} from ${low} to ${high}`];
}
