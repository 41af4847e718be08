/** What fits into Temporal, and how large something is that has to. */
import { InvalidRequestError } from './strategy.ts';

/** What Temporal takes as one payload, unless its server is told otherwise; some room is left for what is around it. */
export const MOST_BYTES = 2 * 1024 * 1024 - 16 * 1024;

export function bytesOf(value: unknown, what = 'A value'): number {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new InvalidRequestError(`${what} cannot be written as JSON: ${(error as Error).message}.`);
  }
  if (json === undefined) throw new InvalidRequestError(`${what} cannot be written as JSON: it is a ${typeof value}.`);
  return new TextEncoder().encode(json).length;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
