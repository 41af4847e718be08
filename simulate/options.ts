/** Option parsers of the simulator's commands: each error names the value and what is expected. */
import { InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { poolPolicySchema, type PoolPolicy } from '../contract/pool-config.ts';

export function positive(value: string): number {
  const parsed = Number(value);
  if (value.trim() !== '' && parsed > 0 && Number.isFinite(parsed)) return parsed;
  throw new InvalidArgumentError(`expected a number above 0, got '${value}'`);
}

export function wholeNumber(value: string): number {
  if (/^\d+$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`expected a whole number, got '${value}'`);
}

export function positiveInteger(value: string): number {
  if (/^\d+$/.test(value) && Number(value) > 0) return Number(value);
  throw new InvalidArgumentError(`expected a whole number above 0, got '${value}'`);
}

export function positiveIntegers(value: string): number[] {
  return value.split(',').map(positiveInteger);
}

/** '30' is 30-30. */
export function range(value: string): [number, number] {
  const [, least, most = least] = /^(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?$/.exec(value) ?? [];
  if (least !== undefined && Number(most) >= Number(least)) return [Number(least), Number(most)];
  throw new InvalidArgumentError(`expected seconds such as 25-60, got '${value}'`);
}

export function namesOf(known: string[]): (value: string) => string[] {
  return (value) => {
    const names = value.split(',');
    const unknown = names.find((name) => !known.includes(name));
    if (unknown === undefined) return names;
    throw new InvalidArgumentError(`there is no '${unknown}'; choose from ${known.join(', ')}`);
  };
}

export function policyOverrides(value: string): PoolPolicy {
  const parsed = poolPolicySchema.safeParse(jsonOf(value));
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`\n${z.prettifyError(parsed.error)}`);
}

function jsonOf(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw new InvalidArgumentError(`expected JSON such as '{"targetWaitSeconds":10}', got '${value}'`);
  }
}
