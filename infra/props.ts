/**
 * The props of the construct. Every prop that can have a default has one; the checks are in problems.ts, the defaults in
 * presets.ts. The types stay within what jsii allows: to jsii a choice among words is a string, which is checked at synth.
 */
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type * as sns from 'aws-cdk-lib/aws-sns';

/** Where Temporal is, and the credentials to reach it. */
export interface TemporalProps {
  /** `host:port` of the frontend. */
  readonly address: string;
  /** @default 'default' */
  readonly namespace?: string;
  /** @default - true with a secret, and for any address that is not private (such as 10.0.1.2, or a name that ends in .internal) */
  readonly tls?: boolean;
  /** Allows `tls: false` for an address that is not private. Everything is then sent unencrypted. @default false */
  readonly allowPlaintext?: boolean;
  /**
   * An API key, or a JSON object of Temporal's variables: `{"TEMPORAL_TLS_CLIENT_CERT_DATA": "…", "TEMPORAL_TLS_CLIENT_KEY_DATA": "…"}`.
   * Workers and scaler read it on start and every few minutes. It is never in the template.
   * @default - none
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * A read-only API key that the scaler and the command line use instead. They list workers and describe task queues, and change
   * nothing.
   * @default - `secret`
   */
  readonly scalerSecret?: secretsmanager.ISecret;
}

/** How a pool's Temporal settings differ from those of the other pools. */
export interface PoolTemporalProps {
  /** With an address of its own, a pool inherits only the namespace, so that a secret is sent only where it was meant to go. @default - as the others */
  readonly address?: string;
  /** @default - as the others */
  readonly namespace?: string;
  /** @default - as the others */
  readonly tls?: boolean;
  /** @default - as the others */
  readonly allowPlaintext?: boolean;
  /** @default - as the others */
  readonly secret?: secretsmanager.ISecret;
  /** @default - as the others */
  readonly scalerSecret?: secretsmanager.ISecret;
}

/** A time window with other limits for a pool. */
export interface ScheduleProps {
  /** When the window opens: a cron expression of five fields, such as `0 8 * * 1-5`. */
  readonly from: string;
  /** When the window closes: a cron expression. */
  readonly to: string;
  /** An IANA time zone name, such as `Europe/Berlin`. @default 'UTC' */
  readonly timeZone?: string;
  /** @default - the pool's */
  readonly minTasks?: number;
  /** @default - the pool's */
  readonly maxTasks?: number;
}

/** A number of slots that follows the task's load. */
export interface SlotsRange {
  /** The slots that a task starts with, and never goes below. */
  readonly min: number;
  /** The most slots a task ever has, however much capacity it has left. */
  readonly max: number;
}

/** How your project's esbuild bundles a pool's `entry`. */
export interface BundlingProps {
  /** Packages to install into the image instead of bundling them, such as native modules. @default - none */
  readonly nodeModules?: string[];
  /** Packages to neither bundle nor install. @default - none */
  readonly externalModules?: string[];
  /** Also shortens names; stack traces then show the short names. @default false */
  readonly minify?: boolean;
  /** Writes source maps beside the bundle; they are not put into the image. @default true */
  readonly sourceMap?: boolean;
  /** Replaces global identifiers with constant expressions: `{ VERSION: '"7"' }`. @default - none */
  readonly define?: Record<string, string>;
  /** How to load files that are not code, by extension: `{ '.txt': 'text' }`. @default - esbuild's own */
  readonly loader?: Record<string, string>;
  /** @default - the nearest tsconfig.json */
  readonly tsconfig?: string;
}

/** One pool: a task queue, the workers that serve it, and how far they may grow. */
export interface WorkerPoolProps {
  /** The Temporal task queue that the pool serves. */
  readonly taskQueue: string;

  /**
   * Activities a task runs at a time: 20 to 50 for work that waits, 1 to 5 for work that computes. With `{ min, max }` the worker
   * finds out how many its CPU and memory can handle.
   * @default 20
   */
  readonly slots?: number | SlotsRange;
  /**
   * Workflow tasks that each process of a task holds at a time; they compute one after the other. More slots help if
   * workflow tasks wait for something, such as local activities. @default 40
   */
  readonly workflowSlots?: number;
  /** @default - the preset's, or 0 */
  readonly minTasks?: number;
  /** @default - the preset's, or 10 */
  readonly maxTasks?: number;
  /** How long queued work may wait before it starts. @default - the policy's, 30 */
  readonly targetWaitSeconds?: number;
  /** Keeps capacity for at least this long after it was last needed. @default - learned from the pool's own load */
  readonly scaleInAfterSeconds?: number;
  /** Other limits at certain times. If several windows are open, the last in the list applies. @default - none */
  readonly schedules?: ScheduleProps[];
  /** Once the pool has spent this much within a clock hour, it no longer grows. @default - no cap */
  readonly spendCapDollarsPerHour?: number;
  /** The price of a task, for the spend cap and the dashboard. @default - Fargate's list price; none on a capacity provider */
  readonly taskDollarsPerHour?: number;

  /**
   * Your worker's script, which calls `runElasticWorker` from `temporal-elastic-workers/worker`: a path relative to where the app is run.
   * It is bundled when the app is synthesized, and its image is built when the app is deployed.
   * @default - the worker of this package
   */
  readonly entry?: string;
  /** @default - the defaults of its props */
  readonly bundling?: BundlingProps;
  /** Any Temporal worker, instead of `entry`. @default - the worker of this package */
  readonly image?: ecs.ContainerImage;
  /** @default - the image's own */
  readonly command?: string[];
  /** Environment variables in addition to those the construct sets. For secrets, use `secrets`. @default - none */
  readonly environment?: Record<string, string>;
  /** Environment variables that ECS fills from Secrets Manager or Parameter Store when a task starts. @default - none */
  readonly secrets?: Record<string, ecs.Secret>;
  /**
   * ECS replaces a task that fails its health check, and its running work is lost. An activity that blocks the event loop fails any HTTP check.
   * @default - none
   */
  readonly healthCheck?: ecs.HealthCheck;
  /**
   * Runs a small container beside the image's, which keeps ECS from stopping a busy task and sends the worker SIGTERM when the task
   * is to be removed, without a deadline. The two share a process namespace. Set false only for an image whose worker does this itself, with
   * `runElasticWorker`: any other worker loses work when the pool scales in.
   * @default - true if an image is given
   */
  readonly sidecar?: boolean;
  /**
   * How 0.1 chose between the sidecar and a worker that protects itself; will be removed in 0.3.
   * @deprecated `worker` is now `sidecar: false`; `scaler` is now the default of an image, with a sidecar
   * @default - see `sidecar`
   */
  readonly protection?: 'worker' | 'scaler';
  /**
   * The model for strategies that name none, as `provider:model`. A Bedrock model is called with the task role, which gets permission
   * for it: `bedrock:` and the id of a model or an inference profile, or an ARN.
   * @default - a small Amazon model that stays in the stack’s geography, such as 'bedrock:eu.amazon.nova-2-lite-v1:0'; none with an entry or an image
   */
  readonly model?: string;
  /** @default - as the others */
  readonly temporal?: PoolTemporalProps;

  /** CPU units, 1024 per vCPU. @default 1024 */
  readonly cpu?: number;
  /** MiB. @default 2048 */
  readonly memory?: number;
  /** @default X86_64 */
  readonly cpuArchitecture?: ecs.CpuArchitecture;
  /** 21 to 200. @default - Fargate's 20 */
  readonly ephemeralStorageGiB?: number;
  /** Runs tasks above `onDemandBase` on Fargate Spot. @default false */
  readonly spot?: boolean;
  /** The number of tasks that do not run on Spot. @default - minTasks */
  readonly onDemandBase?: number;
  /** GPUs per task; needs `capacityProvider`. @default - none */
  readonly gpu?: number;
  /** An EC2 capacity provider of your cluster, by name, to use instead of Fargate. @default - Fargate */
  readonly capacityProvider?: string;
  /** Time from SIGTERM to SIGKILL, 4 to 120 on Fargate. @default 120 */
  readonly stopTimeoutSeconds?: number;
  /**
   * How long activities may continue after SIGTERM; must be shorter than the stop timeout. Beside a sidecar the worker gets two days, because
   * a cordon has no deadline.
   * @default - the stop timeout minus 20
   */
  readonly drainSeconds?: number;

  /** @default - a new one */
  readonly taskRole?: iam.IRole;
  /** The unique id (`AROA…`) of an imported task role, which a worker's permission to read its own cordon is tied to. @default - taken from a new role */
  readonly taskRoleId?: string;
  /** @default - a new one */
  readonly executionRole?: iam.IRole;
  /** @default - a new one */
  readonly logGroup?: logs.ILogGroup;
}

/** When alarms fire. The thresholds are the same for all pools. */
export interface AlarmThresholds {
  /** worker_down: minutes without a live worker while there should be one. @default 1 */
  readonly workerDownMinutes?: number;
  /** queue_depth: tasks queued. @default 100 */
  readonly queueDepth?: number;
  /** queue_depth: minutes throughout which the queue was longer. A burst that is handled by scaling from zero ends sooner. @default 3 */
  readonly queueDepthMinutes?: number;
  /** error_rate: percentage of failed activity attempts over 5 minutes, if at least three failed. @default 5 */
  readonly errorRatePercent?: number;
  /** latency: p95 of the wait from schedule to start. @default 30 */
  readonly latencySeconds?: number;
  /** latency: consecutive minutes above `latencySeconds`. @default 3 */
  readonly latencyMinutes?: number;
  /** scaler_down: minutes without a decision. @default 3 */
  readonly scalerDownMinutes?: number;
  /** pinned_at_max: minutes in which more tasks were needed than maxTasks allows. @default 3 */
  readonly pinnedAtMaxMinutes?: number;
}

export interface ElasticWorkersProps {
  readonly temporal: TemporalProps;
  /** The pools by name; each is one ECS service, scaled on its own. */
  readonly pools: Record<string, WorkerPoolProps>;
  /** A set of defaults; all other props take precedence. @default - none */
  readonly preset?: 'development' | 'staging' | 'production';

  /** A prebuilt image of this package's worker. @default - built when the app is deployed, which needs Docker */
  readonly workerImage?: ecs.ContainerImage;
  /** A prebuilt image of this package's sidecar. @default - built when the app is deployed, which needs Docker */
  readonly sidecarImage?: ecs.ContainerImage;

  /** @default - a new one with public subnets and no NAT gateway */
  readonly vpc?: ec2.IVpc;
  /** Where tasks run. @default - private subnets with egress if there are any, else public, else isolated */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /** Security groups of the tasks. @default - a new one that allows no inbound traffic */
  readonly securityGroups?: ec2.ISecurityGroup[];
  /** An existing cluster, which brings its own VPC. @default - a new one */
  readonly cluster?: ecs.ICluster;
  /** Encrypts state table, logs and the scaler's environment. @default - AWS's own keys */
  readonly encryptionKey?: kms.IKey;
  /** Retention of new log groups. @default - the preset's, or a month */
  readonly logRetention?: logs.RetentionDays;

  /** `observe` decides and publishes, but changes nothing. @default 'act' */
  readonly mode?: 'act' | 'observe';
  /** Time between two readings of the queues. @default 10 */
  readonly tickSeconds?: number;
  /** MiB. @default 384 */
  readonly scalerMemory?: number;
  /** Puts the scaler into these subnets, for a Temporal that can only be reached from the VPC. They must be able to reach AWS APIs. @default - not in a VPC */
  readonly scalerVpcSubnets?: ec2.SubnetSelection;
  /** @default - a new one */
  readonly scalerRole?: iam.IRole;
  /** @default - a new one */
  readonly scalerLogGroup?: logs.ILogGroup;
  /**
   * 0.1 reserved one of the account's concurrent executions for the scaler; will be removed in 0.3.
   * @deprecated without effect: the scaler reserves none
   * @default - none
   */
  readonly reserveConcurrency?: boolean;
  /** Traces the scaler with AWS X-Ray. @default - the preset's, or false */
  readonly tracing?: boolean;

  /** `essential` publishes what the alarms need; the dashboard reads the rest from the scaler's log. @default - the preset's, or 'essential' */
  readonly metrics?: 'essential' | 'full';
  /** @default - the preset's, or true */
  readonly dashboard?: boolean;
  /** @default - the preset's, or true */
  readonly alarms?: boolean;
  readonly alarmThresholds?: AlarmThresholds;
  /** Actions of all alarms when they fire and when they clear. @default - nothing */
  readonly alarmActions?: cloudwatch.IAlarmAction[];
  /** Topics to notify when an alarm fires or clears. @default - nobody */
  readonly alarmTopics?: sns.ITopic[];
  /** Alarms link to `<runbookUrl>/<alarm>`, such as `…/worker-down`. @default - alarms name the page in this package's docs/runbooks */
  readonly runbookUrl?: string;
}
