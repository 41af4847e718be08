/**
 * Temporal's own controller for serverless workers, the real one: it is a part of the server, watches the task queues of a
 * worker deployment version, and sets the size of the ECS service that the version names.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { DescribeServicesCommand } from '@aws-sdk/client-ecs';
import { defaultPayloadConverter } from '@temporalio/common';
import { RATE_BASED_TUNED, type RateBasedSettings } from '../../simulate/peers.ts';
import { LONG_GRACE_SECONDS, SHORT_GRACE_SECONDS, type PeerPolicy } from './policy.ts';
import { CLUSTER, REGION, type Fleet, type Stage } from './stage.ts';

/** Of the server: switches the controller on, for ECS and without a role. */
export const WCI_SETTINGS = {
  'workercontroller.enabled': true,
  'workercontroller.compute_providers.enabled': ['aws-ecs'],
  'workercontroller.scaling_algorithms.enabled': ['rate-based'],
  'workercontroller.compute_providers.aws.require_role_and_external_id': false,
};

/** A new version gets a task that registers its task queues, which the first poll of the statistics takes away. */
const REGISTERED_WITHIN_SECONDS = 330;
const BUILD_ID = '1';
/** As in temporal.api.enums.v1.TaskQueueType. */
const ACTIVITY_QUEUE = 2;

export const wci = serverlessWorkers('Serverless Workers (WCI), rate-based', 'serverless-workers', SHORT_GRACE_SECONDS);
export const wciTuned = serverlessWorkers(
  'Serverless Workers (WCI), rate-based, tuned',
  'serverless-workers-tuned',
  LONG_GRACE_SECONDS,
  RATE_BASED_TUNED,
);

function serverlessWorkers(
  title: string,
  model: string,
  graceSeconds: number,
  settings: Partial<RateBasedSettings> = {},
): PeerPolicy {
  return {
    title,
    model,
    fleet: (name) => ({ graceSeconds, environment: { PEERS_DEPLOYMENT: name } }),
    start: async (stage, fleet) => {
      await createVersion(stage, fleet, scalerSettings(fleet, settings));
      await untilAtZero(stage, fleet);
      return () => deleteCompute(stage, fleet);
    },
  };
}

/** By the names that the controller has for them. */
export function scalerSettings(
  { minTasks, maxTasks }: Pick<Fleet, 'minTasks' | 'maxTasks'>,
  settings: Partial<RateBasedSettings>,
): Record<string, number> {
  const named: Record<string, number | undefined> = {
    min_count: minTasks,
    max_count: maxTasks,
    metrics_poll_interval_ms: milliseconds(settings.pollSeconds),
    ewma_alpha: settings.smoothing,
    initial_per_consumer_capacity: settings.initialRatePerTask,
    target_backlog_drain_rate: settings.drainRate,
    material_backlog_threshold: settings.materialBacklog,
    utilization_target: settings.utilization,
    halfin_whitt_beta: settings.halfinWhittBeta,
    max_scale_up_step: settings.mostMore,
    scale_up_cooldown_ms: milliseconds(settings.upCooldownSeconds),
    scale_down_cooldown_ms: milliseconds(settings.downCooldownSeconds),
    no_sync_quiet_ms: milliseconds(settings.quietSeconds),
  };
  return Object.fromEntries(Object.entries(named).filter((entry): entry is [string, number] => entry[1] !== undefined));
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

async function createVersion(stage: Stage, { name }: Fleet, scaler: Record<string, number>): Promise<void> {
  const { namespace } = stage;
  const { workflowService } = stage.client;
  const identity = 'bench:peers';
  await workflowService.createWorkerDeployment({ namespace, deploymentName: name, identity, requestId: `${name}-new` });
  const provider = { cluster: CLUSTER, service: name, region: REGION };
  await workflowService.createWorkerDeploymentVersion({
    namespace,
    deploymentVersion: { deploymentName: name, buildId: BUILD_ID },
    computeConfig: {
      scalingGroups: {
        all: {
          provider: { type: 'aws-ecs', details: defaultPayloadConverter.toPayload(provider) },
          scaler: { type: 'rate-based', details: defaultPayloadConverter.toPayload(scaler) },
        },
      },
    },
    identity,
    requestId: `${name}-version`,
  });
  await workflowService.setWorkerDeploymentCurrentVersion({
    namespace,
    deploymentName: name,
    buildId: BUILD_ID,
    allowNoPollers: true,
    ignoreMissingTaskQueues: true,
    identity,
  });
  await firstTask(stage, name);
}

/**
 * What the controller is told of the first task that a worker took at once. It begins a new run of its workflow then, and polls its
 * statistics five minutes after that, and each minute from there on. Without it the new run, and another five minutes without a poll,
 * would begin with the load.
 */
async function firstTask({ client }: Stage, name: string): Promise<void> {
  const instance = client.workflow.getHandle(`temporal-sys-worker-controller-instance:${name}:${BUILD_ID}`);
  await instance.signal('task-add-signal', {
    task_queue_name: name,
    task_queue_type: ACTIVITY_QUEUE,
    is_sync_match: true,
    sync_match_signals_batched: 1,
  });
}

async function untilAtZero({ ecs }: Stage, { name }: Fleet): Promise<void> {
  const deadline = Date.now() + REGISTERED_WITHIN_SECONDS * 1000;
  for (let began = false; ; await wait(1000)) {
    const { services = [] } = await ecs.send(new DescribeServicesCommand({ cluster: CLUSTER, services: [name] }));
    const { desiredCount = 0, runningCount = 0 } = services[0] ?? {};
    began ||= runningCount > 0;
    if (began && desiredCount === 0) return;
    if (Date.now() > deadline) {
      throw new Error(
        `Temporal's controller did not bring ${name} to zero within ${REGISTERED_WITHIN_SECONDS} s of its creation ` +
          `(${desiredCount} wanted, ${runningCount} running). See the server's log; with TEMPORAL_CLI unset, the pinned server is used.`,
      );
    }
  }
}

async function deleteCompute({ client, namespace }: Stage, { name }: Fleet): Promise<void> {
  await client.workflowService.updateWorkerDeploymentVersionComputeConfig({
    namespace,
    deploymentVersion: { deploymentName: name, buildId: BUILD_ID },
    removeComputeConfigScalingGroups: ['all'],
    identity: 'bench:peers',
    requestId: `${name}-end`,
  });
}
