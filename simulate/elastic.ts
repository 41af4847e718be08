/** Our own policy as a controller of the model: the same `decide` that the Lambda runs. */
import { decide, DEFAULT_POLICY, type Policy } from '../scaler/policy.ts';
import { EPOCH_MS, type Controller, type Settings } from './model.ts';

const TICK_SECONDS = 10;

export type Decide = typeof decide;

export interface Variant {
  overrides?: Partial<Policy>;
  tickSeconds?: number;
  /** Another version of the policy, for a comparison. */
  decide?: Decide;
}

export function elastic({ minTasks, maxTasks, slots }: Settings, variant: Variant = {}): Controller {
  const { overrides, tickSeconds = TICK_SECONDS } = variant;
  const decideWith = variant.decide ?? decide;
  const policy: Policy = { ...DEFAULT_POLICY, minTasks, maxTasks, slotsPerTask: slots, ...overrides };
  let memory: unknown;
  return {
    name: 'elastic',
    tickSeconds,
    protects: true,
    look(signals, _truth, nowSeconds) {
      const outcome = decideWith(signals(), memory, policy, EPOCH_MS + nowSeconds * 1000);
      memory = outcome.memory;
      return outcome.decision;
    },
  };
}
