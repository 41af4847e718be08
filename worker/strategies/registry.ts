/** The strategies by name: ours, and those that a team adds with `registerStrategy` (see index.ts). */
import { mapReduce } from './map-reduce.ts';
import { router } from './router.ts';
import { sequential } from './sequential.ts';
import { specialist } from './specialist.ts';
import { InvalidRequestError, type Strategy } from './strategy.ts';

const strategies = new Map<string, Strategy>(Object.entries({ map_reduce: mapReduce, router, sequential, specialist }));

/** Adds a strategy. Each name can be used only once. */
export function registerStrategy<Input, Output>(name: string, strategy: Strategy<Input, Output>): void {
  if (name.trim() === '') throw new Error('The name of a strategy must not be empty.');
  if (strategies.has(name)) {
    throw new Error(`A strategy named "${name}" exists already (${listed()}): choose another name.`);
  }
  // The caller's payload is JSON of unknown shape anyway: a strategy checks its own input.
  strategies.set(name, strategy as Strategy);
}

export function strategyNamed(name: string): Strategy {
  const strategy = strategies.get(name);
  if (strategy === undefined) {
    throw new InvalidRequestError(`There is no strategy named "${name}". Strategies that exist: ${listed()}.`);
  }
  return strategy;
}

export function strategyNames(): string[] {
  return [...strategies.keys()].sort();
}

function listed(): string {
  return strategyNames().join(', ');
}
