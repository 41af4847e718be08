/** Numbers and times as Temporal's API sends them: zeros are left out, and 64-bit values may be objects. */

type Sizes = number | { toNumber(): number } | null | undefined;
type Duration = { seconds?: Sizes; nanos?: number | null } | null | undefined;

export function numberOf(value: Sizes): number {
  if (value === null || value === undefined) return 0;
  return typeof value === 'number' ? value : value.toNumber();
}

export function secondsOf(duration: Duration): number {
  return numberOf(duration?.seconds) + (duration?.nanos ?? 0) / 1e9;
}
