/** The settings of a proof, and what it announces before it begins. */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { PRICES_OF } from '../../contract/prices.ts';
import { PROOF_POOL, PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import { UsageError } from '../../deployed/errors.ts';
import type { Shell } from '../shell.ts';
import { costOfProof, MOST_HOURS, totalOf } from './cost.ts';

export interface ProveOptions {
  temporalAddress?: string;
  temporalNamespace?: string;
  temporalSecretArn?: string;
  plaintext?: true;
  vpc?: string;
  keep?: true;
  yes?: true;
  report: string;
  json?: true;
}

const SECRETS = ['TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA', 'TEMPORAL_TLS_CLIENT_KEY_PATH'];

/** All problems with the input are reported at once. */
export function settingsOf({ env, stdin }: Shell, options: ProveOptions): ProofSettings {
  const address = options.temporalAddress ?? (env.TEMPORAL_ADDRESS || undefined);
  const { temporalSecretArn: secret, plaintext, vpc: vpcId, yes } = options;
  const problems = [
    ...(address === undefined
      ? ["--temporal-address (or TEMPORAL_ADDRESS) must be Temporal's address, host:port"]
      : []),
    ...(address !== undefined && !/^.+:\d+$/.test(address)
      ? [`--temporal-address must be host:port, got '${address}'`]
      : []),
    ...(secret !== undefined && !secret.startsWith('arn:')
      ? [`--temporal-secret-arn must be the ARN of a secret, got '${secret}'`]
      : []),
    ...(secret === undefined && SECRETS.some((name) => env[name])
      ? ['the workers on AWS need the key too: put it into Secrets Manager and give its ARN with --temporal-secret-arn']
      : []),
    ...(plaintext && secret !== undefined
      ? ['--plaintext and --temporal-secret-arn contradict each other: leave one out']
      : []),
    ...(!yes && !(stdin as NodeJS.ReadStream).isTTY
      ? ['cannot ask for confirmation without a terminal: give --yes']
      : []),
  ];
  if (problems.length > 0) throw new UsageError(problems);
  const namespace = options.temporalNamespace ?? (env.TEMPORAL_NAMESPACE || 'default');
  return {
    temporal: { address: address!, namespace, tls: !plaintext, ...(secret !== undefined && { secret }) },
    taskQueue: `elastic-workers-proof-${randomUUID().slice(0, 8)}`,
    ...(vpcId !== undefined && { vpcId }),
  };
}

export function announcement({ temporal, taskQueue, vpcId }: ProofSettings): string {
  const lines = costOfProof();
  const { maxTasks, vcpus, gigabytes } = PROOF_POOL;
  return [
    `The stack ${PROOF_STACK} will be deployed to this account and region, and then destroyed: ${vpcId === undefined ? 'a VPC without NAT gateway' : `in ${vpcId}`},`,
    `an ECS cluster and service with up to ${maxTasks} tasks of ${vcpus} vCPU and ${gigabytes} GB, the scaler, a table, alarms and a dashboard.`,
    `Its workers and scaler use Temporal at ${temporal.address}, namespace ${temporal.namespace}, task queue ${taskQueue}.`,
    'It takes about twenty minutes. Left behind: its image and files in the CDK’s assets, for a few cents a month until you',
    'clean them up (cdk gc), and the workflows in Temporal until the namespace’s retention period ends.',
    '',
    `It costs at most $${totalOf(lines).toFixed(2)}, even if it takes ${MOST_HOURS} h (list prices of ${PRICES_OF}):`,
    ...lines.map(({ what, arithmetic, dollars }) => `  ${dollars.toFixed(2)}  ${what}: ${arithmetic}`),
  ].join('\n');
}

/** Ctrl-C and Ctrl-D mean no. */
export async function agreed({ stdin, stdout, signal }: Shell): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: stdout });
  const closed = new AbortController();
  lines.once('SIGINT', () => lines.close()).once('close', () => closed.abort());
  const either = AbortSignal.any([signal, closed.signal]);
  const answer = await lines.question('Begin? [y/N] ', { signal: either }).catch(() => '');
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}
