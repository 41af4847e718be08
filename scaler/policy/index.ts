/** `temporal-elastic-workers/policy`: the decision and its types. */
export { decide, type Outcome } from './decide.ts';
export type * from './types.ts';
