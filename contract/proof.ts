/** The stack of `elastic-workers prove`: shared by its CDK app and the command line. Small, and quick to scale. */
import type { z } from 'zod';
import type { temporalSchema } from './pool-config.ts';

export const PROOF_STACK = 'ElasticWorkersProof';

export const PROOF_POOL = {
  name: 'proof',
  slots: 5,
  maxTasks: 3,
  vcpus: 1,
  gigabytes: 2,
  tickSeconds: 5,
  targetWaitSeconds: 5,
  scaleInAfterSeconds: 15,
} as const;

/** The name of the context value with the other settings, as JSON. */
export const PROOF_CONTEXT = 'proof';

export interface ProofSettings {
  /** The secret is given by ARN. */
  temporal: z.infer<typeof temporalSchema>;
  taskQueue: string;
  /** A VPC whose private subnets tasks and scaler use (default: a new VPC). */
  vpcId?: string;
}
