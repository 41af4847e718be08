/**
 * A stack's description for the command line: written by the stack as one SSM parameter, so that anyone with permission to read it
 * finds all stacks of an account and region without CloudFormation.
 */
import { z } from 'zod';
import { temporalSchema } from './pool-config.ts';

/** Under this path there is one parameter per stack, named after the stack's id: `/elastic-workers-stacks/<stack id>`. */
export const STACKS_PATH = '/elastic-workers-stacks';

/** The last part of the path to its pools, which distinguishes a stack from all others in its account and region. */
export function stackIdIn(poolsPath: string): string {
  return poolsPath.slice(poolsPath.lastIndexOf('/') + 1);
}

/** Further fields of newer stacks are allowed. */
export const stackConfigSchema = z.object({
  /** Under this path there is one parameter per pool; see pool-config.ts. */
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
  /** The Temporal of pools that name none. */
  temporal: temporalSchema,
});

export type StackConfig = z.infer<typeof stackConfigSchema>;
