/**
 * What a user of the construct says. Every prop that can have a default has one; the checks are in problems.ts, the
 * defaults in presets.ts. Within what jsii allows: a choice among words is a string to it, checked at synth.
 */
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type * as sns from 'aws-cdk-lib/aws-sns';

/** Where Temporal is, and what is secret of the way there. */
export interface TemporalProps {
  /** `host:port` of the frontend. */
  readonly address: string;
  /** @default 'default' */
  readonly namespace?: string;
  /** @default - true with a secret, and for any address that is not private (such as 10.0.1.2, or a name that ends in .internal) */
  readonly tls?: boolean;
  /** Allows `tls: false` for an address that is not private: everything is then sent unencrypted. @default false */
  readonly allowPlaintext?: boolean;
  /**
   * An API key, or JSON of Temporal's variables: `{"TEMPORAL_TLS_CLIENT_CERT_DATA": "…", "TEMPORAL_TLS_CLIENT_KEY_DATA": "…"}`.
   * Workers and scaler read it when they start and every few minutes; it is never in the template.
   * @default - none
   */
  readonly secret?: secretsmanager.ISecret;
  /**
   * What the scaler and the command line use instead: an API key that may read. They list workers and describe task queues, and change
   * nothing.
   * @default - `secret`
   */
  readonly scalerSecret?: secretsmanager.ISecret;
}

/** How a pool's Temporal differs from the other pools'. */
export interface PoolTemporalProps {
  /** With an address of its own, nothing is taken over but the namespace: a secret goes only where it was meant to. @default - as the others */
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

/** A window in which a pool's limits are others. */
export interface ScheduleProps {
  /** When it opens: a cron expression of five fields, such as `0 8 * * 1-5`. */
  readonly from: string;
  /** When it closes. */
  readonly to: string;
  /** An IANA name, such as `Europe/Berlin`. @default 'UTC' */
  readonly timeZone?: string;
  /** @default - the pool's */
  readonly minTasks?: number;
  /** @default - the pool's */
  readonly maxTasks?: number;
}

/** Slots whose number follows the load of the task. */
export interface SlotsRange {
  /** What a task has at least, and begins with. */
  readonly min: number;
  /** What it has at the most, whatever room it has. */
  readonly max: number;
}

/** How a pool's `entry` is bundled, by the esbuild of your project. */
export interface BundlingProps {
  /** Packages that are installed into the image instead of bundled, such as those with a native part. @default - none */
  readonly nodeModules?: string[];
  /** Packages that are neither bundled nor installed. @default - none */
  readonly externalModules?: string[];
  /** Shortens names, too; stack traces show them as they are in the bundle. @default false */
  readonly minify?: boolean;
  /** Written beside the bundle; they are not in the image. @default true */
  readonly sourceMap?: boolean;
  /** Replaces global identifiers with constant expressions: `{ VERSION: '"7"' }`. @default - none */
  readonly define?: Record<string, string>;
  /** What to do with files that are not code, by their ending: `{ '.txt': 'text' }`. @default - esbuild's own */
  readonly loader?: Record<string, string>;
  /** @default - the nearest tsconfig.json */
  readonly tsconfig?: string;
}

/** One pool: a task queue, the workers that serve it, and how far they may grow. */
export interface WorkerPoolProps {
  /** The Temporal task queue the pool serves. */
  readonly taskQueue: string;

  /**
   * Activities a task runs at a time: 20 to 50 for work that waits, 1 to 5 for work that computes. With `{ min, max }` the worker
   * finds out how many its processor and memory can hold.
   * @default 20
   */
  readonly slots?: number | SlotsRange;
  /**
   * Workflow tasks a process of a task holds at a time; computing is done by one after the other. More of them help where
   * workflow tasks wait for something, such as local activities. @default 40
   */
  readonly workflowSlots?: number;
  /** @default - the preset's, or 0 */
  readonly minTasks?: number;
  /** @default - the preset's, or 10 */
  readonly maxTasks?: number;
  /** How long queued work may wait before it starts. @default - the policy's, 30 */
  readonly targetWaitSeconds?: number;
  /** The fleet stays at least so long after it was needed. @default - what the pool's own rhythm says */
  readonly scaleInAfterSeconds?: number;
  /** Other limits at certain times. Of several open windows the later in the list counts. @default - none */
  readonly schedules?: ScheduleProps[];
  /** After so many dollars in an hour by the clock the pool grows no more. @default - no cap */
  readonly spendCapDollarsPerHour?: number;
  /** What a task costs, for the cap and the dashboard. @default - Fargate's list price; none on a capacity provider */
  readonly taskDollarsPerHour?: number;

  /**
   * Your worker's script, which calls `runElasticWorker` of `temporal-elastic-workers/worker`: a file from where the app is run. It is
   * bundled when the app is synthesized, and its image built when it is deployed.
   * @default - the worker of this package
   */
  readonly entry?: string;
  /** @default - as the props of it say */
  readonly bundling?: BundlingProps;
  /** Any Temporal worker, instead of `entry`. @default - the worker of this package */
  readonly image?: ecs.ContainerImage;
  /** @default - the image's own */
  readonly command?: string[];
  /** Environment variables, beside those the construct sets. Nothing secret: see `secrets`. @default - none */
  readonly environment?: Record<string, string>;
  /** Environment variables that ECS fills from Secrets Manager or Parameter Store at a task's start. @default - none */
  readonly secrets?: Record<string, ecs.Secret>;
  /**
   * ECS replaces a task that fails it, with the work that runs: an activity that blocks the event loop fails any check over HTTP.
   * @default - none
   */
  readonly healthCheck?: ecs.HealthCheck;
  /**
   * Puts a small container beside the image's, which keeps ECS from stopping the task at work, and sends the worker SIGTERM when it
   * is to leave, without a deadline. The two share a process namespace. Set false only for an image whose worker does this itself, with
   * `runElasticWorker`: any other loses work when the pool scales in.
   * @default - true where an image is given
   */
  readonly sidecar?: boolean;
  /**
   * What strategies ask when they name no model, `provider:model`. One of Bedrock's is asked through the task role, which gets the
   * right to it: `bedrock:` and the id of a model, of an inference profile, or an ARN.
   * @default - a small one of Amazon’s that stays in the stack’s geography, such as 'bedrock:eu.amazon.nova-2-lite-v1:0'; none with an entry or an image
   */
  readonly model?: string;
  /** @default - as the others */
  readonly temporal?: PoolTemporalProps;

  /** CPU units, 1024 a vCPU. @default 1024 */
  readonly cpu?: number;
  /** MiB. @default 2048 */
  readonly memory?: number;
  /** @default X86_64 */
  readonly cpuArchitecture?: ecs.CpuArchitecture;
  /** 21 to 200. @default - Fargate's 20 */
  readonly ephemeralStorageGiB?: number;
  /** Run on Fargate Spot what is above `onDemandBase`. @default false */
  readonly spot?: boolean;
  /** Tasks that are not on Spot. @default - minTasks */
  readonly onDemandBase?: number;
  /** GPUs a task; needs `capacityProvider`. @default - none */
  readonly gpu?: number;
  /** The name of an EC2 capacity provider of your cluster, to run on instead of Fargate. @default - Fargate */
  readonly capacityProvider?: string;
  /** From SIGTERM to SIGKILL, 4 to 120 on Fargate. @default 120 */
  readonly stopTimeoutSeconds?: number;
  /**
   * Activities may go on so long after SIGTERM; shorter than the stop timeout. Beside a sidecar the worker is told two days, since a
   * cordon has no deadline.
   * @default - 20 less than the stop timeout
   */
  readonly drainSeconds?: number;

  /** @default - a new one */
  readonly taskRole?: iam.IRole;
  /** The unique id (`AROA…`) of an imported task role: a worker's right to its own cordon is tied to it. @default - known of a new role */
  readonly taskRoleId?: string;
  /** @default - a new one */
  readonly executionRole?: iam.IRole;
  /** @default - a new one */
  readonly logGroup?: logs.ILogGroup;
}

/** When alarms fire; the same for all pools. */
export interface AlarmThresholds {
  /** worker_down: minutes with no worker alive while there should be one. @default 1 */
  readonly workerDownMinutes?: number;
  /** queue_depth: tasks queued. @default 100 */
  readonly queueDepth?: number;
  /** queue_depth: minutes in which there were never fewer. A burst that a start from zero works off is over sooner. @default 3 */
  readonly queueDepthMinutes?: number;
  /** error_rate: failed activity attempts in percent, over 5 minutes in which at least three failed. @default 5 */
  readonly errorRatePercent?: number;
  /** latency: the 95th percentile of the wait from schedule to start. @default 30 */
  readonly latencySeconds?: number;
  /** latency: minutes in a row in which it was above. @default 3 */
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
  /** A set of defaults; what is said elsewhere stands above it. @default - none of them */
  readonly preset?: 'development' | 'staging' | 'production';

  /** This package's worker as an image that is built already. @default - built when the app is deployed, which needs Docker */
  readonly workerImage?: ecs.ContainerImage;
  /** This package's sidecar as an image that is built already. @default - built when the app is deployed, which needs Docker */
  readonly sidecarImage?: ecs.ContainerImage;

  /** @default - a new one with public subnets and no NAT gateway */
  readonly vpc?: ec2.IVpc;
  /** Where tasks run. @default - private subnets where there are any with a way out, else public, else isolated */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /** Of the tasks. @default - a new one that lets nothing in */
  readonly securityGroups?: ec2.ISecurityGroup[];
  /** Brings its own VPC. @default - a new one */
  readonly cluster?: ecs.ICluster;
  /** Encrypts state table, logs and the scaler's environment. @default - AWS's own keys */
  readonly encryptionKey?: kms.IKey;
  /** Of new log groups. @default - the preset's, or a month */
  readonly logRetention?: logs.RetentionDays;

  /** `observe` decides and publishes, but changes nothing. @default 'act' */
  readonly mode?: 'act' | 'observe';
  /** From one look at the queues to the next. @default 10 */
  readonly tickSeconds?: number;
  /** MiB. @default 384 */
  readonly scalerMemory?: number;
  /** Puts the scaler into the VPC, for a Temporal that only it can reach: subnets with a way to AWS's APIs. @default - not in a VPC */
  readonly scalerVpcSubnets?: ec2.SubnetSelection;
  /** @default - a new one */
  readonly scalerRole?: iam.IRole;
  /** @default - a new one */
  readonly scalerLogGroup?: logs.ILogGroup;
  /** AWS X-Ray. @default - the preset's, or false */
  readonly tracing?: boolean;

  /** `essential` is what the alarms need; the dashboard reads the rest from the scaler's log. @default - the preset's, or 'essential' */
  readonly metrics?: 'essential' | 'full';
  /** @default - the preset's, or true */
  readonly dashboard?: boolean;
  /** @default - the preset's, or true */
  readonly alarms?: boolean;
  readonly alarmThresholds?: AlarmThresholds;
  /** What all alarms do when they fire and when they clear. @default - nothing */
  readonly alarmActions?: cloudwatch.IAlarmAction[];
  /** Who is told when an alarm fires or clears. @default - nobody */
  readonly alarmTopics?: sns.ITopic[];
  /** Alarms link `<runbookUrl>/<alarm>`, such as `…/worker-down`. @default - they name the page in this package's docs/runbooks */
  readonly runbookUrl?: string;
}
