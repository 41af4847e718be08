/** Splits what one request of an AWS API, or one statement of a policy, cannot hold; `size` is the limit. */
export function chunks<T>(values: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));
}
