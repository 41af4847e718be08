/**
 * Local Fargate: an ECS endpoint that runs services' tasks as real processes on this machine, in front of an AWS
 * emulator that holds the definitions and answers everything else. Listens on 127.0.0.1 only.
 */
import { Platform } from './platform.ts';
import type { RestartBackoffOptions } from './restart-backoff.ts';
import type { StopCode, TaskStatus } from './task.ts';
import type { ServiceUsage } from './usage.ts';

export type { FleetSample, ServiceUsage } from './usage.ts';
export type { StopCode, TaskStatus } from './task.ts';

/** A container whose image is not known. */
export interface WantedContainer {
  /** The pool's name, where it has one. */
  pool: string | undefined;
  image: string;
  /** Behind the image's own entry point; empty for the image's own command. */
  command: string[];
  /** The names of the environment variables that ECS and the task definition set. */
  variables: string[];
}

export interface StandIn {
  command: string[];
  directory: string;
}

export interface LocalFargateOptions {
  emulatorUrl: string;
  /** Image URI → the directory that stands for the image: its content and its working directory. */
  images: Readonly<Record<string, string>>;
  /** The same for images that are not known beforehand. */
  findImage?: (image: string) => string | undefined;
  /** What is run instead of a container whose image is not known. */
  findStandIn?: (wanted: WantedContainer) => Promise<StandIn | undefined>;
  /** From creation to RUNNING; each task draws its own. */
  startDelaySeconds: { min: number; max: number };
  /** Each task's output goes to `<logDirectory>/<service>/<task id>.log`. */
  logDirectory: string;
  /** What the platform adds to every container, such as AWS_ENDPOINT_URL and credentials; PATH and HOME are this machine's. */
  environment?: Readonly<Record<string, string>>;
  region?: string;
  /** Of the start delays and of the choice among tasks to stop. */
  seed?: number;
  /** Of the ECS endpoint; 0 takes a free one. */
  port?: number;
  /** How often the emulator is asked for services that CloudFormation has changed. */
  pollMilliseconds?: number;
  /** How long stop() waits between SIGTERM and SIGKILL. */
  stopGraceSeconds?: number;
  restartBackoff?: RestartBackoffOptions;
  /** Runs the containers' health checks, as ECS does; on unless given. Tasks share this machine's ports with each other. */
  healthChecks?: boolean;
  onTaskChange?: (task: TaskSummary) => void;
  /** Epoch milliseconds; the machine's clock unless given. */
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
  /** What was used up to now, by service name. */
  usage(): Record<string, ServiceUsage>;
  /** Takes up to so many FARGATE_SPOT tasks back, the oldest first: SIGTERM, stopTimeout, protected or not. Their ids. */
  reclaimSpot(count: number): string[];
  /** From now on no task is started in these availability zones, as when they have no capacity; what runs there goes on. */
  closeZones(zones: readonly string[]): void;
  /** Ends every task (SIGTERM, after the grace SIGKILL) and closes the endpoint. */
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
