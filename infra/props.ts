/** What a user of the construct says: the stack's props, a pool's, and their checks. */
import type { Duration } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ecs from 'aws-cdk-lib/aws-ecs';

export interface TemporalProps {
  /** `host:port` of the Temporal frontend. */
  readonly address: string;
  readonly namespace: string;
}

export interface WorkerPoolProps {
  /** The Temporal task queue the pool serves. */
  readonly taskQueue: string;
  /** @default - the worker of this package */
  readonly image?: ecs.ContainerImage;
  /** @default ['node', 'main.js'] */
  readonly command?: string[];
  /** Environment variables of the worker, beside those the construct sets. */
  readonly environment?: Record<string, string>;
  /** CPU units. @default 1024 */
  readonly cpu?: number;
  /** @default 2048 */
  readonly memoryLimitMiB?: number;
  /** @default X86_64 */
  readonly cpuArchitecture?: ecs.CpuArchitecture;
  /** Activities a task runs at a time. @default 20 */
  readonly slotsPerTask?: number;
  /** @default 0 */
  readonly minTasks?: number;
  /** @default 10 */
  readonly maxTasks?: number;
  /** How long queued work may wait before it starts. @default 30 seconds */
  readonly targetWait?: Duration;
  /** How long fewer tasks must have been enough before some leave. @default 60 seconds */
  readonly scaleInAfter?: Duration;
}

export interface AlarmThresholds {
  /** Queued tasks. @default 100 */
  readonly queueDepth?: number;
  /** Failed activity attempts in percent, over 5 minutes. @default 5 */
  readonly errorRate?: number;
  /** 95th percentile of the wait from schedule to start. @default 30 seconds */
  readonly latency?: Duration;
}

export interface ElasticWorkersProps {
  readonly temporal: TemporalProps;
  /** The pools by name; each is one ECS service, scaled on its own. */
  readonly pools: Record<string, WorkerPoolProps>;
  /** @default - a cluster in a new VPC with public subnets and no NAT gateway */
  readonly cluster?: ecs.ICluster;
  /** The default image of all pools. @default - built from this package */
  readonly image?: ecs.ContainerImage;
  /** Time from one look at the queues to the next. @default 10 seconds */
  readonly tick?: Duration;
  /** `observe` decides and publishes, but changes nothing. @default 'act' */
  readonly mode?: 'act' | 'observe';
  readonly alarmThresholds?: AlarmThresholds;
  /** What all alarms do when they fire and when they clear. @default - nothing */
  readonly alarmActions?: cloudwatch.IAlarmAction[];
}

/** Every problem of the props, each with the pool's name, the value and the mend; empty when all is well. */
export function problemsOf({ pools, tick }: ElasticWorkersProps): string[] {
  const names = Object.keys(pools);
  const problems = names.length === 0 ? ['pools: none given; name at least one'] : [];
  if (tick && (tick.toSeconds() < 1 || tick.toSeconds() > 50)) {
    problems.push(`tick: ${tick.toSeconds()} seconds; choose 1 to 50`);
  }
  const byQueue = Map.groupBy(names, (name) => pools[name]?.taskQueue);
  for (const [taskQueue, sharing] of byQueue) {
    if (sharing.length > 1) problems.push(`pools ${sharing.join(', ')}: share the task queue ${taskQueue}; merge them`);
  }
  return [...problems, ...names.flatMap((name) => problemsOfPool(name, pools[name] as WorkerPoolProps))];
}

function problemsOfPool(name: string, { taskQueue, slotsPerTask, minTasks = 0, maxTasks = 10 }: WorkerPoolProps) {
  const problems: string[] = [];
  const whole = (label: string, value: number | undefined, low: number) => {
    if (value !== undefined && !(Number.isInteger(value) && value >= low)) {
      problems.push(`pool ${name}: ${label} is ${value}; choose a whole number from ${low}`);
    }
  };
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name)) {
    problems.push(`pool ${name}: use letters, digits, '.', '_' and '-', 64 at most, a letter or digit first`);
  }
  if (taskQueue.trim() === '') problems.push(`pool ${name}: taskQueue is empty; name the queue its workflows use`);
  whole('slotsPerTask', slotsPerTask, 1);
  whole('minTasks', minTasks, 0);
  whole('maxTasks', maxTasks, 1);
  if (minTasks > maxTasks)
    problems.push(`pool ${name}: minTasks ${minTasks} is above maxTasks ${maxTasks}; raise maxTasks`);
  return problems;
}
