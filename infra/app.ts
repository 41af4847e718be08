/**
 * The app that `cdk deploy` deploys. It has three pools: one for quick answers, one for long analyses, and one for batches, whose
 * workflows have another pool do the work.
 * Context: temporalAddress, which has no default; env (a preset: development, staging or production), temporalNamespace, temporalSecretArn,
 * plaintext (true: without TLS), workerImage and sidecarImage (an image’s URI, instead of building this package’s), model, metrics, tickSeconds, scaleInAfterSeconds, minTasks, maxTasks.
 */
import { App, CfnOutput, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { z } from 'zod';
import { OTHER_TEMPORAL_CONTEXT } from '../contract/other-temporal.ts';
import { ElasticWorkers } from './index.ts';

const number = z.coerce.number();
const contextSchema = z.object({
  env: z.enum(['development', 'staging', 'production']).optional(),
  temporalAddress: z
    .string('not given: -c temporalAddress=temporal.example.com:7233')
    .regex(/^.+:\d+$/, 'expected host:port'),
  temporalNamespace: z.string().min(1).default('default'),
  plaintext: z.enum(['true', 'false']).default('false'),
  temporalSecretArn: z.string().startsWith('arn:').optional(),
  workerImage: z.string().min(1).optional(),
  sidecarImage: z.string().min(1).optional(),
  model: z.string().min(1).optional(),
  metrics: z.enum(['essential', 'full']).optional(),
  tickSeconds: number.optional(),
  scaleInAfterSeconds: number.optional(),
  minTasks: number.optional(),
  maxTasks: number.optional(),
});

export const app = new App();
const context = readContext(app);
const stack = new Stack(app, 'TemporalElasticWorkers', {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const {
  env: preset,
  metrics,
  temporalSecretArn,
  workerImage,
  sidecarImage,
  tickSeconds,
  temporalAddress,
  temporalNamespace,
  plaintext,
  ...sizes
} = context;
const sizing = given(sizes);
const workers = new ElasticWorkers(stack, 'Workers', {
  temporal: {
    address: temporalAddress,
    namespace: temporalNamespace,
    ...(plaintext === 'true' && { tls: false, allowPlaintext: true }),
    ...(temporalSecretArn && { secret: Secret.fromSecretCompleteArn(stack, 'Temporal', temporalSecretArn) }),
  },
  ...given({ preset, metrics, tickSeconds }),
  ...(workerImage && { workerImage: ecs.ContainerImage.fromRegistry(workerImage) }),
  ...(sidecarImage && { sidecarImage: ecs.ContainerImage.fromRegistry(sidecarImage) }),
  pools: {
    'quick-response': { taskQueue: 'quick-response-queue', slots: 20, ...sizing },
    'complex-analysis': { taskQueue: 'complex-analysis-queue', slots: 5, ...sizing },
    batches: { taskQueue: 'batch-queue', ...sizing },
  },
});

const outputs = {
  Cluster: workers.cluster.clusterName,
  StateTable: workers.stateTable.tableName,
  ScalerFunction: workers.scaler.functionName,
  Dashboard: workers.dashboard?.dashboardName,
  Pools: stack.toJsonString(
    workers.pools.map(({ poolName, taskQueue, service }) => ({
      pool: poolName,
      taskQueue,
      service: service.serviceName,
    })),
  ),
};
for (const [name, value] of Object.entries(outputs)) if (value) new CfnOutput(stack, name, { value });

function readContext(scope: App): z.infer<typeof contextSchema> {
  const values = Object.keys(contextSchema.shape).map((key) => [key, scope.node.tryGetContext(key) as unknown]);
  // It replaces the construct's own address.
  const other = scope.node.tryGetContext(OTHER_TEMPORAL_CONTEXT) as string | undefined;
  const parsed = contextSchema.safeParse({
    ...Object.fromEntries(values),
    ...(other && { temporalAddress: other.split('/')[0] }),
  });
  if (!parsed.success) throw new Error(`the context is not valid:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Leaves out undefined values, for which the construct has its own defaults. */
function given<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
