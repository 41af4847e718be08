/** Splits what one request of an AWS API cannot hold; `size` is the API's limit. */
export function chunks<T>(values: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size));
}
