/** What each policy that is compared gives the benchmark. */
import type { Fleet, Stage } from './stage.ts';

export interface PeerPolicy {
  /** As the document calls it. */
  title: string;
  /** Its name in simulate/peers.ts; `elastic` is ours. */
  model: string;
  /** How its fleets differ from the others'. */
  fleet: (name: string) => Partial<Fleet>;
  /** Scales the fleet from now on, until the function it returns is called. */
  start(stage: Stage, fleet: Fleet): Promise<() => Promise<void>>;
}

/** The SDK's own default is none: a second is the least that our worker takes. */
export const SHORT_GRACE_SECONDS = 1;
/** As long as Fargate allows, and some for the worker to leave. */
export const LONG_GRACE_SECONDS = 100;
