/** The stack of `elastic-workers prove`: what its CDK app and the command line agree on. Small, and quick to scale. */
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

/** The context value of this name holds the rest, as JSON. */
export const PROOF_CONTEXT = 'proof';

export interface ProofSettings {
  /** Its secret by ARN. */
  temporal: z.infer<typeof temporalSchema>;
  taskQueue: string;
  /** Of a VPC whose private subnets tasks and scaler use; a new VPC unless given. */
  vpcId?: string;
}
