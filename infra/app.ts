/**
 * The app that `cdk deploy` deploys: two pools, for quick answers and for long analyses.
 * Context: temporalAddress, temporalNamespace, workerImage (an image's URI, instead of building this package's),
 * tickSeconds, scaleInAfterSeconds, maxTasks.
 */
import { App, CfnOutput, Duration, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { z } from 'zod';
import { ElasticWorkers } from './elastic-workers.ts';

const number = z.coerce.number().positive();
const contextSchema = z.object({
  temporalAddress: z
    .string()
    .regex(/^.+:\d+$/, 'expected host:port')
    .default('127.0.0.1:7233'),
  temporalNamespace: z.string().min(1).default('default'),
  workerImage: z.string().min(1).optional(),
  tickSeconds: number.default(10),
  scaleInAfterSeconds: number.default(60),
  maxTasks: number.default(10),
});

const app = new App();
const context = readContext(app);
const stack = new Stack(app, 'TemporalElasticWorkers', {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const sizing = { maxTasks: context.maxTasks, scaleInAfter: Duration.seconds(context.scaleInAfterSeconds) };
const workers = new ElasticWorkers(stack, 'Workers', {
  temporal: { address: context.temporalAddress, namespace: context.temporalNamespace },
  ...(context.workerImage ? { image: ecs.ContainerImage.fromRegistry(context.workerImage) } : {}),
  tick: Duration.seconds(context.tickSeconds),
  pools: {
    'quick-response': { taskQueue: 'quick-response-queue', slotsPerTask: 20, ...sizing },
    'complex-analysis': { taskQueue: 'complex-analysis-queue', slotsPerTask: 5, ...sizing },
  },
});

const outputs = {
  Cluster: workers.cluster.clusterName,
  StateTable: workers.stateTable.tableName,
  ScalerFunction: workers.scaler.functionName,
  Dashboard: workers.dashboard.dashboardName,
  Pools: stack.toJsonString(
    workers.pools.map(({ poolName, taskQueue, service }) => ({
      pool: poolName,
      taskQueue,
      service: service.serviceName,
    })),
  ),
};
for (const [name, value] of Object.entries(outputs)) new CfnOutput(stack, name, { value });

function readContext(scope: App): z.infer<typeof contextSchema> {
  const given = Object.keys(contextSchema.shape).map((key) => [key, scope.node.tryGetContext(key) as unknown]);
  const parsed = contextSchema.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw new Error(`the context is wrong:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
