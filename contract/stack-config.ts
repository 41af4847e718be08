/**
 * What the command line knows of a stack before it asks anything else: written by the stack as one SSM parameter, so that
 * whoever may read it finds all stacks of an account and region, and needs nothing of CloudFormation.
 */
import { z } from 'zod';
import { temporalSchema } from './pool-config.ts';

/** Below it there is one parameter a stack, named after the stack's id: `/elastic-workers-stacks/<stack id>`. */
export const STACKS_PATH = '/elastic-workers-stacks';

/** The last part of the path below which its pools are: it tells a stack from all others of its account and region. */
export function stackIdIn(poolsPath: string): string {
  return poolsPath.slice(poolsPath.lastIndexOf('/') + 1);
}

/** What a newer stack says beside this is let through. */
export const stackConfigSchema = z.object({
  /** Below it there is one parameter a pool; see pool-config.ts. */
  poolsPath: z.string().startsWith('/'),
  /** The DynamoDB table's name; see state-table.ts. */
  stateTable: z.string().min(1),
  /** The scaler's Lambda function, by name. */
  scalerFunction: z.string().min(1),
  /** The log group of its tick records, by name. */
  scalerLogGroup: z.string().min(1),
  /** The CloudWatch dashboard's name, if there is one. */
  dashboard: z.string().min(1).optional(),
  region: z.string().min(1).optional(),
  /** Where the queues of pools are that do not say where. */
  temporal: temporalSchema,
});

export type StackConfig = z.infer<typeof stackConfigSchema>;
