/** Size limits of Temporal, and the size of a value as a payload. */
import { InvalidRequestError } from './strategy.ts';

/** Temporal's default limit for a payload, minus some room for what surrounds it. */
export const MOST_BYTES = 2 * 1024 * 1024 - 16 * 1024;

export function bytesOf(value: unknown, what = 'A value'): number {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new InvalidRequestError(`${what} cannot be converted to JSON: ${(error as Error).message}.`);
  }
  if (json === undefined)
    throw new InvalidRequestError(`${what} cannot be converted to JSON: it is a ${typeof value}.`);
  return new TextEncoder().encode(json).length;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
