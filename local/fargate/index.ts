/**
 * Local Fargate: an ECS endpoint that runs services' tasks as real processes on this machine, in front of an AWS
 * emulator that holds the definitions and answers everything else. Listens on 127.0.0.1 only.
 */
import { Platform } from './platform.ts';
import type { RestartBackoffOptions } from './restart-backoff.ts';
import type { StopCode, TaskStatus } from './task.ts';
import type { ServiceUsage } from './usage.ts';

export type { FleetSample, ServiceUsage } from './usage.ts';

/** A container with an unknown image. */
export interface WantedContainer {
  /** The pool's name, if it has one. */
  pool: string | undefined;
  image: string;
  /** Passed to the image's own entry point; empty for the image's own command. */
  command: string[];
  /** The names of the environment variables that ECS and the task definition set. */
  variables: string[];
}

export interface StandIn {
  command: string[];
  directory: string;
  /** Sends SIGTERM, and SIGKILL after this many seconds (default: both go to the processes of `command`). */
  stopCommand?: (timeoutSeconds: number) => string[];
}

export interface LocalFargateOptions {
  emulatorUrl: string;
  /** Image URI → the directory that stands for the image: its content and its working directory. */
  images: Readonly<Record<string, string>>;
  /** The same for images that are not known in advance. */
  findImage?: (image: string) => string | undefined;
  /** What to run instead of a container with an unknown image. */
  findStandIn?: (wanted: WantedContainer) => Promise<StandIn | undefined>;
  /** From creation to RUNNING; each task draws its own. */
  startDelaySeconds: { min: number; max: number };
  /** Each task's output goes to `<logDirectory>/<service>/<task id>.log`. */
  logDirectory: string;
  /** What the platform adds to every container, such as AWS_ENDPOINT_URL and credentials; PATH and HOME are this machine's. */
  environment?: Readonly<Record<string, string>>;
  region?: string;
  /** Seed for start delays and for the choice of tasks to stop. */
  seed?: number;
  /** Port of the ECS endpoint; 0 takes a free one. */
  port?: number;
  /** How often the emulator is polled for services that CloudFormation has changed. */
  pollMilliseconds?: number;
  /** How long stop() waits between SIGTERM and SIGKILL. */
  stopGraceSeconds?: number;
  restartBackoff?: RestartBackoffOptions;
  /** Runs the containers' health checks, like ECS (default: true). Tasks share this machine's ports with each other. */
  healthChecks?: boolean;
  onTaskChange?: (task: TaskSummary) => void;
  /** Epoch milliseconds (default: the machine's clock). */
  now?: () => number;
  log?: (message: string) => void;
}

/** One task, for a live view or a summary. Times are epoch milliseconds. */
export interface TaskSummary {
  service: string;
  taskId: string;
  taskArn: string;
  privateAddress: string;
  /** `family:revision`. */
  taskDefinition: string;
  deploymentId: string;
  lastStatus: TaskStatus;
  desiredStatus: 'RUNNING' | 'STOPPED';
  history: { status: TaskStatus; at: number }[];
  protectedUntil: number | undefined;
  exitCode: number | undefined;
  stopCode: StopCode | undefined;
  stoppedReason: string | undefined;
  logFile: string;
}

export interface LocalFargate {
  /** The ECS endpoint: the value of AWS_ENDPOINT_URL_ECS. */
  url: string;
  /** Every task so far, oldest first; of those that stopped long ago, the newest. */
  tasks(): TaskSummary[];
  /** Usage so far, by service name. */
  usage(): Record<string, ServiceUsage>;
  /** Interrupts up to this many FARGATE_SPOT tasks, the oldest first: SIGTERM, stopTimeout, protected or not. Returns their ids. */
  reclaimSpot(count: number): string[];
  /** From now on starts no task in these availability zones, as if they had no capacity; running tasks continue. */
  closeZones(zones: readonly string[]): void;
  /** Ends every task (SIGTERM, after the grace period SIGKILL) and closes the endpoint. */
  stop(): Promise<void>;
  /** SIGKILL to every process of every task, synchronously: the last resort of an entry point's `exit` handler. */
  killAll(): void;
}

export async function startLocalFargate(options: LocalFargateOptions): Promise<LocalFargate> {
  const platform = new Platform(options);
  const url = await platform.start();
  return {
    url,
    tasks: () => platform.taskSummaries(),
    usage: () => platform.usageSoFar(),
    reclaimSpot: (count) => platform.reclaimSpot(count),
    closeZones: (zones) => platform.closeZones(zones),
    stop: () => platform.stop(),
    killAll: () => platform.killAll(),
  };
}
