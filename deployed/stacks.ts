/**
 * Finds stacks and their pools from SSM parameters alone, in the account and region chosen by the AWS SDK's own variables
 * and profile.
 */
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ECSClient } from '@aws-sdk/client-ecs';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { paginateGetParametersByPath, SSMClient } from '@aws-sdk/client-ssm';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { PoolConfig } from '../contract/pool-config.ts';
import { STACKS_PATH, stackConfigSchema, type StackConfig } from '../contract/stack-config.ts';
import { readPools } from '../scaler/config.ts';
import { CommandError, UsageError } from './errors.ts';

export const CLIENT_SETTINGS = {
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true },
};

/** AWS clients; each is configured by the AWS SDK's own environment variables. */
export class Aws {
  readonly ssm = new SSMClient(CLIENT_SETTINGS);
  readonly ecs = new ECSClient(CLIENT_SETTINGS);
  readonly cloudwatch = new CloudWatchClient(CLIENT_SETTINGS);
  readonly logs = new CloudWatchLogsClient(CLIENT_SETTINGS);
  readonly secrets = new SecretsManagerClient(CLIENT_SETTINGS);
  readonly table = DynamoDBDocumentClient.from(new DynamoDBClient(CLIENT_SETTINGS));
}

/** Thrown when nothing is deployed in this account and region. */
export class NoStackError extends CommandError {}

export interface Stack {
  id: string;
  config: StackConfig;
  /** Sorted by name. */
  pools: PoolConfig[];
  /** One message for each parameter that could not be parsed. */
  problems: string[];
  aws: Aws;
}

/** `problems` are the known problems with the input; problems found here are reported together with them. */
export async function openStack({ stack: wanted }: { stack?: string }, problems: string[] = []): Promise<Stack> {
  const aws = new Aws();
  try {
    const stacks = await readStacks(aws.ssm);
    const [id, parsed] = choose(stacks, wanted, problems);
    if (!parsed.success) {
      throw new CommandError(
        `Cannot parse the parameter ${STACKS_PATH}/${id}; redeploy the stack:\n${z.prettifyError(parsed.error)}`,
      );
    }
    const { pools, problems: ofPools } = await readPools(aws.ssm, parsed.data.poolsPath);
    const sorted = pools.toSorted((a, b) => (a.pool < b.pool ? -1 : 1));
    return { id, config: parsed.data, pools: sorted, problems: ofPools, aws };
  } catch (error) {
    if (error instanceof UsageError || error instanceof CommandError) throw error;
    if (problems.length > 0) throw new UsageError(problems);
    throw new CommandError(
      `Cannot list the stacks: ${reasonOf(error)}. AWS_PROFILE and AWS_REGION choose the account and the ` +
        `region; this needs ssm:GetParametersByPath on ${STACKS_PATH} and on the pools' path.`,
      { cause: error },
    );
  }
}

/** The stack and its pool of that name; all problems with the input are reported at once. */
export async function openPool(
  name: string,
  common: { stack?: string },
  problems: string[] = [],
): Promise<{ stack: Stack; pool: PoolConfig }> {
  const stack = await openStack(common, problems);
  const pool = stack.pools.find(({ pool }) => pool === name);
  const names = stack.pools.map(({ pool }) => pool).join(', ');
  if (pool === undefined) throw new UsageError([...problems, `there is no pool '${name}'; pools: ${names || 'none'}`]);
  if (problems.length > 0) throw new UsageError(problems);
  return { stack, pool };
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = error.message || (error as NodeJS.ErrnoException).code || 'no reason given';
  return error.name === 'Error' ? reason : `${error.name}: ${reason}`;
}

type Parsed = z.ZodSafeParseResult<StackConfig>;

async function readStacks(ssm: SSMClient): Promise<Map<string, Parsed>> {
  const stacks = new Map<string, Parsed>();
  const request = { Path: STACKS_PATH, Recursive: true, MaxResults: 10 };
  for await (const { Parameters = [] } of paginateGetParametersByPath({ client: ssm }, request)) {
    for (const { Name = '', Value = '' } of Parameters) {
      stacks.set(Name.slice(STACKS_PATH.length + 1), stackConfigSchema.safeParse(jsonOf(Value)));
    }
  }
  return stacks;
}

function choose(stacks: Map<string, Parsed>, wanted: string | undefined, problems: string[]): [string, Parsed] {
  const ids = [...stacks.keys()].toSorted();
  if (ids.length === 0) {
    throw new NoStackError(
      `Found no elastic-workers stack in this account and region: there is no parameter below ${STACKS_PATH}. ` +
        `AWS_PROFILE and AWS_REGION choose the account and region; a stack writes its parameter when it is deployed.`,
    );
  }
  const id = wanted ?? (ids.length === 1 ? ids[0] : undefined);
  const chosen = id === undefined ? undefined : stacks.get(id);
  if (id !== undefined && chosen !== undefined) return [id, chosen];
  throw new UsageError([
    ...problems,
    wanted === undefined
      ? `there are several stacks; choose one with --stack: ${ids.join(', ')}`
      : `--stack must be one of ${ids.join(', ')}, got '${wanted}'`,
  ]);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return `not JSON: ${text.slice(0, 80)}`;
  }
}
