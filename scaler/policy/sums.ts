export function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function mean(values: number[]): number {
  return sum(values) / Math.max(1, values.length);
}

/** Of an even number of values, the upper of the two in the middle. */
export function median(values: number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Exponential decay: what is left after `seconds`; e⁻¹ is left after `lastsSeconds`. */
export function faded(seconds: number, lastsSeconds: number): number {
  return Math.exp(-Math.max(0, seconds) / lastsSeconds);
}
