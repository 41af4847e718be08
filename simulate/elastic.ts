/** Our own policy as a controller of the model: the same `decide` that the Lambda runs. */
import { decide, DEFAULT_POLICY, type Policy } from '../scaler/policy.ts';
import { EPOCH_MS, type Controller, type Settings } from './model.ts';

export const TICK_SECONDS = 10;

export function elastic({ minTasks, maxTasks, slots }: Settings, overrides: Partial<Policy> = {}): Controller {
  const policy: Policy = { ...DEFAULT_POLICY, minTasks, maxTasks, slotsPerTask: slots, ...overrides };
  let memory: unknown;
  return {
    name: 'elastic',
    tickSeconds: TICK_SECONDS,
    protects: true,
    look(signals, _truth, nowSeconds) {
      const outcome = decide(signals(), memory, policy, EPOCH_MS + nowSeconds * 1000);
      memory = outcome.memory;
      return outcome.decision;
    },
  };
}
