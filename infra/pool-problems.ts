/** Finds mistakes in one pool's props; each message has the value and the fix. */
import { Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { LONGEST_STOP_TIMEOUT_SECONDS } from '../contract/deployment.ts';
import { MODEL_ID } from '../contract/model-id.ts';
import { LONGEST_TASK_QUEUE, MOST_TASKS } from '../contract/pool-config.ts';
import { MOST_SLOTS } from '../contract/slots.ts';
import type { WorkerVariables } from '../contract/worker-environment.ts';
import { within } from './checks.ts';
import type { PoolSettings } from './presets.ts';
import { ofSchedules } from './schedule-problems.ts';
import { problemsOfPorts } from './worker-ports.ts';

/** `hasCluster`: whether the user passed a cluster. */
export function problemsOfPool(name: string, pool: PoolSettings, hasCluster: boolean): string[] {
  return [...ofName(name), ...ofSizes(pool), ...ofMachine(pool, hasCluster), ...ofContainer(pool), ...ofRole(pool)].map(
    (problem) => `pool ${name}: ${problem}`,
  );
}

function ofName(name: string): string[] {
  if (/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) return [];
  return ["the name must have at most 64 letters, digits, '.', '_' and '-', and start with a letter or digit"];
}

/** SSM's limit for a standard parameter, and room for its other contents: policy, cluster, service, role and secret. */
const LONGEST_PARAMETER = 4096;
const REST_OF_PARAMETER = 1000;

function ofSizes(pool: PoolSettings): string[] {
  const { taskQueue, minTasks, maxTasks, onDemandBase, spot } = pool;
  const problems = [
    ...ofSlots(pool),
    ...within('workflowSlots', pool.workflowSlots, 2, MOST_SLOTS),
    ...within('minTasks', minTasks, 0, MOST_TASKS),
    ...within('maxTasks', maxTasks, 1, MOST_TASKS),
    ...(spot ? within('onDemandBase', onDemandBase, 0, MOST_TASKS) : []),
    ...within('targetWaitSeconds', pool.targetWaitSeconds, 0.1, 86_400, 'a number'),
    ...within('scaleInAfterSeconds', pool.scaleInAfterSeconds, 0, 86_400, 'a number'),
    ...within('spendCapDollarsPerHour', pool.spendCapDollarsPerHour, 0.01, 1_000_000, 'a number'),
    ...within('taskDollarsPerHour', pool.taskDollarsPerHour, 0.000_01, 1000, 'a number'),
    ...ofSchedules(pool),
  ];
  if (taskQueue.trim() === '') problems.push('taskQueue is empty; name the queue its workflows use');
  if (!Token.isUnresolved(taskQueue) && taskQueue.length > LONGEST_TASK_QUEUE) {
    problems.push(`taskQueue has ${taskQueue.length} characters; Temporal allows ${LONGEST_TASK_QUEUE} at most`);
  }
  const parameter = REST_OF_PARAMETER + JSON.stringify([taskQueue, pool.schedules, pool.temporal?.namespace]).length;
  if (parameter > LONGEST_PARAMETER) {
    problems.push(
      `taskQueue and schedules make the SSM parameter about ${parameter} characters long; the limit is ${LONGEST_PARAMETER}: use fewer schedules, or a shorter taskQueue`,
    );
  }
  if (minTasks > maxTasks) problems.push(`minTasks ${minTasks} is above maxTasks ${maxTasks}; raise maxTasks`);
  if (spot && onDemandBase >= maxTasks) {
    problems.push(
      `onDemandBase ${onDemandBase} leaves no tasks of maxTasks ${maxTasks} for Spot; lower it, or remove spot`,
    );
  }
  return problems;
}

function ofSlots({ slots, protection }: PoolSettings): string[] {
  if (typeof slots === 'number') return within('slots', slots, 1, MOST_SLOTS);
  const { min, max } = slots;
  const problems = Object.entries({ min, max }).flatMap(([name, value]) =>
    value === undefined
      ? [`slots.${name} is undefined; choose a whole number from 1 to ${MOST_SLOTS}`]
      : within(`slots.${name}`, value, 1, MOST_SLOTS),
  );
  if (problems.length === 0 && min > max) problems.push(`slots.min ${min} is above slots.max ${max}; raise slots.max`);
  if (protection === 'sidecar') {
    problems.push(
      `slots { min: ${min}, max: ${max} } works only with runElasticWorker; for your image, set slots to a number`,
    );
  }
  return problems;
}

/** MiB of memory that Fargate offers for each number of CPU units. */
const FARGATE_MEMORY: Record<number, number[]> = {
  256: [512, 1024, 2048],
  512: inSteps(1024, 4096, 1024),
  1024: inSteps(2048, 8192, 1024),
  2048: inSteps(4096, 16_384, 1024),
  4096: inSteps(8192, 30_720, 1024),
  8192: inSteps(16_384, 61_440, 4096),
  16_384: inSteps(32_768, 122_880, 8192),
};

function inSteps(from: number, to: number, step: number): number[] {
  return Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
}

function ofMachine(pool: PoolSettings, hasCluster: boolean): string[] {
  const onFargate = pool.capacityProvider === undefined;
  if (onFargate) return ofFargate(pool);
  const problems = [
    ...within('gpu', pool.gpu, 1, 16),
    ...within('cpu', pool.cpu, 128, 196_608),
    ...within('memory', pool.memory, 128, 4_000_000),
  ];
  if (!hasCluster) problems.push(`capacityProvider ${pool.capacityProvider} needs a cluster; set cluster too`);
  if (pool.spot) problems.push('spot is for Fargate; a capacity provider chooses its own instances: remove spot');
  if (pool.ephemeralStorageGiB !== undefined) {
    problems.push(`ephemeralStorageGiB ${pool.ephemeralStorageGiB} is for Fargate; size the instances' volume instead`);
  }
  return problems;
}

function ofFargate({ cpu, memory, gpu, ephemeralStorageGiB, spot, onDemandBase, minTasks }: PoolSettings): string[] {
  const problems = within('ephemeralStorageGiB', ephemeralStorageGiB, 21, 200);
  if (gpu !== undefined)
    problems.push(`gpu ${gpu}: Fargate has no GPUs; set capacityProvider to an EC2 capacity provider of your cluster`);
  if (!spot && !Object.is(onDemandBase, minTasks))
    problems.push(`onDemandBase ${onDemandBase} is for Spot; add spot or remove it`);
  const sizes = FARGATE_MEMORY[cpu];
  if (!sizes) {
    problems.push(`cpu ${cpu} does not exist on Fargate; choose one of ${Object.keys(FARGATE_MEMORY).join(', ')}`);
  } else if (!sizes.includes(memory)) {
    const near = sizes.find((size) => size >= memory) ?? sizes.at(-1);
    problems.push(`memory ${memory} does not exist on Fargate with cpu ${cpu}; choose ${near}, or another cpu`);
  }
  return problems;
}

/** Variables that the construct sets itself, and names that look like secrets. */
const OURS = new Set<string>([
  'TEMPORAL_ADDRESS',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_TASK_QUEUE',
  'TEMPORAL_TLS',
  'ELASTIC_WORKERS_STACK',
  'ELASTIC_WORKERS_POOL',
  'ELASTIC_WORKERS_MODEL',
  'ELASTIC_WORKERS_STATE_TABLE',
  'ELASTIC_WORKERS_TASK_ROLE_ID',
  'ELASTIC_WORKERS_TEMPORAL_SECRET',
] satisfies (keyof WorkerVariables)[]);
const SECRET = /(_API_KEY|_SECRET_KEY|_SECRET_ACCESS_KEY|_PASSWORD|_KEY_DATA)$/;

function ofContainer(pool: PoolSettings): string[] {
  const { stopTimeoutSeconds, drainSeconds, capacityProvider, environment = {}, protection, model } = pool;
  const longest = capacityProvider === undefined ? LONGEST_STOP_TIMEOUT_SECONDS : 86_400;
  const problems = [
    ...within('stopTimeoutSeconds', stopTimeoutSeconds, 4, longest),
    ...within('drainSeconds', drainSeconds, 2, 86_400),
    ...ofSource(pool),
    ...problemsOfPorts(pool),
  ];
  if (protection === 'sidecar' && !pool.image) {
    problems.push(
      'sidecar is for other images, because this package’s worker protects itself: set image, or remove sidecar',
    );
  }
  if (drainSeconds >= stopTimeoutSeconds) {
    problems.push(
      `drainSeconds ${drainSeconds} must be shorter than stopTimeoutSeconds ${stopTimeoutSeconds}, after which the task is killed`,
    );
  }
  if (model === undefined && !pool.image && pool.entry === undefined) {
    problems.push(
      'model is not set, and no default is known to stay in the geography of this region (or the stack names no region); set one, such as bedrock:eu.amazon.nova-2-lite-v1:0, or offline: for none',
    );
  }
  if (model !== undefined && !MODEL_ID.test(model) && !Token.isUnresolved(model)) {
    problems.push(`model is "${model}"; write provider:model, such as bedrock:amazon.nova-lite-v1:0`);
  }
  for (const name of Object.keys(environment)) {
    if (SECRET.test(name))
      problems.push(`environment.${name} would be readable in the template; use secrets, or temporal.secret`);
    else if (OURS.has(name)) problems.push(`environment.${name} is set by the construct; use its own prop`);
  }
  return problems;
}

function ofSource({ entry, image, bundling }: PoolSettings): string[] {
  if (entry === undefined) return bundling ? ['bundling needs an entry; set entry, or remove bundling'] : [];
  return image ? [`entry "${entry}" and image exclude each other; remove one of them`] : [];
}

function ofRole({ taskRole, taskRoleId }: PoolSettings): string[] {
  if (!taskRole || taskRoleId || taskRole.node.defaultChild instanceof iam.CfnRole) return [];
  return ['taskRole is imported, so its unique id is unknown; set taskRoleId (aws iam get-role: RoleId)'];
}
