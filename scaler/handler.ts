/**
 * The Lambda function. Invoked each minute, it ticks every few seconds until the next invocation takes over. Clients live as
 * long as the process, so that only its first invocation pays for connecting.
 */
import { setTimeout } from 'node:timers/promises';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ECSClient } from '@aws-sdk/client-ecs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { shown, withoutSecrets } from '../contract/shown.ts';
import { PoolReader, readScalerConfig } from './config.ts';
import { runInvocation } from './loop.ts';
import { EcsServices } from './read/ecs.ts';
import { TemporalReader } from './read/temporal.ts';
import { desiredCountSetter } from './act/service-count.ts';
import { StateTable } from './act/state.ts';
import { Telemetry } from './report/telemetry.ts';

const config = readScalerConfig(process.env);
const log = (line: string) => process.stdout.write(`${shown(line)}\n`);
// The runtime logs what an invocation has died of.
process.on('uncaughtExceptionMonitor', (error) => {
  error.message = withoutSecrets(error.message);
  error.stack = withoutSecrets(error.stack ?? '');
});
const complain = (message: string) => log(JSON.stringify({ level: 'error', message }));

/** A call that hangs must not hold up the other pools' ticks. */
const clientSettings = {
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 1000, requestTimeout: 3000, throwOnRequestTimeout: true },
};
const pools = new PoolReader(new SSMClient(clientSettings), config.poolsPath);
const ecs = new ECSClient(clientSettings);
const telemetry = new Telemetry(new CloudWatchClient(clientSettings), log, config);
const ports = {
  temporal: new TemporalReader(config.temporal, { onProblem: complain }),
  ecs: new EcsServices(ecs),
  setDesired: desiredCountSetter(ecs),
  state: new StateTable(
    DynamoDBDocumentClient.from(new DynamoDBClient(clientSettings), {
      marshallOptions: { removeUndefinedValues: true },
      // Otherwise one damaged item, with a number that JavaScript cannot represent, would fail the read of all others with it.
      unmarshallOptions: { wrapNumbers: Number },
    }),
    config.stateTable,
  ),
  telemetry,
};
const clock = { now: () => Date.now(), sleep: (milliseconds: number) => setTimeout(milliseconds) };

/** The part of Lambda's context that is used. */
interface InvocationContext {
  getRemainingTimeInMillis(): number;
}

export function handler(_event: unknown, context: InvocationContext): Promise<{ pools: number; ticks: number }> {
  const remainingMs = () => context.getRemainingTimeInMillis();
  return runInvocation({ pools, ports, telemetry, config, clock, complain }, remainingMs);
}
