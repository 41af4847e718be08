/** Every policy that is compared, by its name on the command line. */
import { keda, kedaTuned } from './keda.ts';
import { ours } from './ours.ts';
import type { PeerPolicy } from './policy.ts';
import { stepScaling, targetTracking } from './rules.ts';
import { wci, wciTuned } from './wci.ts';

export const POLICIES: Record<string, PeerPolicy> = {
  ours,
  'serverless-workers': wci,
  'serverless-workers-tuned': wciTuned,
  keda,
  'keda-tuned': kedaTuned,
  'target-tracking': targetTracking,
  'step-scaling': stepScaling,
};
