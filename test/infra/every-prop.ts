/** Two sets of props that together give every optional prop, and the check that they do, from docs/api.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duration } from 'aws-cdk-lib';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { ElasticWorkersProps } from '../../infra/index.ts';

/** Keys, secrets and topics are resources of the same stack. */
export function withVpc(scope: Construct): ElasticWorkersProps {
  const vpc = vpcOf(scope);
  return {
    vpc,
    vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    securityGroups: [new ec2.SecurityGroup(scope, 'Callers', { vpc })],
    encryptionKey: new kms.Key(scope, 'Key'),
    logRetention: logs.RetentionDays.ONE_YEAR,
    temporal: {
      address: 'temporal.internal:7233',
      namespace: 'agents',
      tls: true,
      secret: new secretsmanager.Secret(scope, 'Secret'),
      scalerSecret: new secretsmanager.Secret(scope, 'ReadingSecret'),
    },
    preset: 'production',
    mode: 'observe',
    metrics: 'full',
    tracing: true,
    tickSeconds: 5,
    scalerMemory: 512,
    scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    ...alarming(scope, new sns.Topic(scope, 'OnCall')),
    pools: { spot: onSpot(), entry: withEntry(), image: withImage(scope) },
  };
}

/** Cluster, roles and keys already exist. */
export function withCluster(scope: Construct): ElasticWorkersProps {
  const arn = (rest: string) => `arn:aws:${rest.replace(':', ':eu-west-1:123456789012:')}`;
  return {
    reserveConcurrency: true,
    cluster: ecs.Cluster.fromClusterAttributes(scope, 'Cluster', { clusterName: 'platform', vpc: vpcOf(scope) }),
    temporal: { address: '203.0.113.7:7233', tls: false, allowPlaintext: true },
    encryptionKey: kms.Key.fromKeyArn(scope, 'Key', arn('kms:key/11111111-2222-3333-4444-555555555555')),
    workerImage: ecs.ContainerImage.fromRegistry('example/worker:1'),
    sidecarImage: ecs.ContainerImage.fromRegistry('example/sidecar:1'),
    scalerRole: iam.Role.fromRoleArn(scope, 'ScalerRole', 'arn:aws:iam::123456789012:role/scaler'),
    scalerLogGroup: logs.LogGroup.fromLogGroupName(scope, 'ScalerLogs', 'scaler'),
    pools: {
      gpu: { taskQueue: 'gpu', capacityProvider: 'gpus', gpu: 1, cpu: 3072, memory: 12_288, stopTimeoutSeconds: 600 },
      brought: {
        taskQueue: 'brought',
        taskRole: iam.Role.fromRoleArn(scope, 'TaskRole', 'arn:aws:iam::123456789012:role/worker'),
        taskRoleId: 'AROA0123456789ABCDEFG',
        executionRole: iam.Role.fromRoleArn(scope, 'StartRole', 'arn:aws:iam::123456789012:role/start'),
        logGroup: logs.LogGroup.fromLogGroupName(scope, 'Logs', 'brought'),
      },
    },
  };
}

function vpcOf(scope: Construct): ec2.IVpc {
  return ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['eu-west-1a', 'eu-west-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  });
}

function alarming(scope: Construct, topic: sns.Topic) {
  return {
    alarms: true,
    dashboard: true,
    alarmThresholds: {
      workerDownMinutes: 2,
      queueDepth: 500,
      queueDepthMinutes: 5,
      errorRatePercent: 1.5,
      latencySeconds: 60,
      latencyMinutes: 5,
      scalerDownMinutes: 5,
      pinnedAtMaxMinutes: 10,
    },
    alarmActions: [new SnsAction(new sns.Topic(scope, 'Log'))],
    alarmTopics: [topic],
    runbookUrl: 'https://wiki.example.com/runbooks',
  } satisfies Partial<ElasticWorkersProps>;
}

function onSpot() {
  return {
    taskQueue: 'batch',
    slots: { min: 5, max: 200 },
    workflowSlots: 100,
    minTasks: 2,
    maxTasks: 100,
    targetWaitSeconds: 5,
    scaleInAfterSeconds: 300,
    schedules: [{ from: '0 8 * * 1-5', to: '0 18 * * 1-5', timeZone: 'Europe/Berlin', minTasks: 4, maxTasks: 200 }],
    spendCapDollarsPerHour: 20,
    taskDollarsPerHour: 0.04,
    model: 'bedrock:eu.anthropic.claude-haiku-4-5-20251001-v1:0',
    cpu: 16_384,
    memory: 122_880,
    cpuArchitecture: ecs.CpuArchitecture.ARM64,
    ephemeralStorageGiB: 200,
    spot: true,
    onDemandBase: 2,
    stopTimeoutSeconds: 100,
    drainSeconds: 80,
  };
}

/** The file does not exist: the test turns bundling off. How a worker is bundled does not show in the template. */
function withEntry() {
  return {
    taskQueue: 'entry',
    entry: 'src/worker.ts',
    bundling: {
      nodeModules: ['sharp'],
      externalModules: ['fsevents'],
      minify: true,
      sourceMap: false,
      define: { VERSION: '"7"' },
      loader: { '.txt': 'text' },
      tsconfig: 'tsconfig.json',
    },
  };
}

function withImage(scope: Construct) {
  const secret = new secretsmanager.Secret(scope, 'OtherSecret');
  return {
    taskQueue: 'image',
    image: ecs.ContainerImage.fromRegistry('example/other:1'),
    sidecar: true,
    protection: 'scaler' as const,
    command: ['work'],
    environment: { LEVEL: 'debug' },
    secrets: {
      API: ecs.Secret.fromSecretsManager(secret, 'api'),
      SETTING: ecs.Secret.fromSsmParameter(new ssm.StringParameter(scope, 'Setting', { stringValue: 'on' })),
    },
    healthCheck: {
      command: ['CMD-SHELL', 'true'],
      interval: Duration.seconds(10),
      retries: 5,
      startPeriod: Duration.minutes(1),
      timeout: Duration.seconds(5),
    },
    temporal: {
      address: 'other.a1b2c.tmprl.cloud:7233',
      namespace: 'other.a1b2c',
      tls: true,
      allowPlaintext: false,
      secret,
      scalerSecret: secret,
    },
  };
}

type Row = { name: string; type: string; optional: boolean };

/** The structs in docs/api.md by name. api.test.ts keeps that file in step with the sources. */
const STRUCTS = new Map(
  readFileSync(join(import.meta.dirname, '../../docs/api.md'), 'utf8')
    .split(/^## /m)
    .filter((section) => /^\| name +\| type +\| default/m.test(section))
    .map((section) => [section.split('\n')[0]!, rowsOf(section)]),
);

function rowsOf(section: string): Row[] {
  return [...section.matchAll(/^\| `(\w+)` +\| (.+?) +\| (.*?) +\|/gm)].map(([, name = '', type = '', otherwise]) => ({
    name,
    type,
    optional: otherwise !== 'required',
  }));
}

export function optionalProps(): string[] {
  return [...STRUCTS].flatMap(([struct, rows]) =>
    rows.filter(({ optional }) => optional).map(({ name }) => `${struct}.${name}`),
  );
}

/** Every prop that has a value, as `Struct.prop`. */
export function propsIn(value: unknown, struct = 'ElasticWorkersProps'): string[] {
  const given = value as Record<string, unknown>;
  return (STRUCTS.get(struct) ?? [])
    .filter(({ name }) => given[name] !== undefined)
    .flatMap(({ name, type }) => [`${struct}.${name}`, ...propsWithin(given[name], type)]);
}

function propsWithin(value: unknown, type: string): string[] {
  const [, collection, element = ''] = /^(?:(list|map) of |.* or )?(\w+)$/.exec(type) ?? [];
  if (!STRUCTS.has(element) || typeof value !== 'object' || value === null) return [];
  return (collection ? Object.values(value) : [value]).flatMap((each) => propsIn(each, element));
}
