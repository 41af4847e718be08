/**
 * The scaling policy: a pure function from what a tick read and what the previous tick remembered to what the pool should have.
 * Nothing in it reads a clock, waits, logs or throws, so the Lambda, a replay, the simulator and a browser run the same code.
 */
export { decide, type Outcome } from './policy/decide.ts';
export * from './policy/types.ts';
