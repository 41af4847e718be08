/**
 * Pools of Temporal workers on ECS, and the scaler that sizes them.
 *
 *     new ElasticWorkers(stack, 'Workers', {
 *       temporal: { address: 'temporal.example.com:7233' },
 *       pools: { fast: { taskQueue: 'quick-response-queue' } },
 *     });
 */
import { Annotations, CfnOutput, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { PRICES_OF } from '../contract/prices.ts';
import { DRAIN_TAG, SERVICE_TAGS } from '../contract/service-tags.ts';
import { PARTITION_KEY, TIME_TO_LIVE } from '../contract/state-table.ts';
import { acknowledge, acknowledgeLint } from './acknowledge.ts';
import { PoolAlarms } from './alarms.ts';
import { poolsDashboard } from './dashboard.ts';
import { onTemporalOfContext } from './other-temporal.ts';
import { bundleEntries } from './entries.ts';
import { tellCommandLine } from './parameters.ts';
import { presetOf, settingsOf, temporalOf, type Preset } from './presets.ts';
import { problemsOf } from './problems.ts';
import type { ElasticWorkersProps } from './props.ts';
import { ScalerFunction } from './scaler-function.ts';
import { standingCost, totalOf } from './standing-cost.ts';
import { WorkerPool, type IWorkerPool, type SharedByPools } from './worker-pool.ts';

/** The parameter's path adds a pool name of up to 64 characters, and SSM allows 1,011. */
const LONGEST_STACK_KEY = 200;

/** Pools of Temporal workers on ECS, and the scaler that sizes them. */
export class ElasticWorkers extends Construct implements ec2.IConnectable {
  readonly cluster: ecs.ICluster;
  readonly stateTable: dynamodb.Table;
  readonly scaler: lambda.Function;
  /** The log of the scaler's decisions: one tick record per pool and tick. */
  readonly scalerLogGroup: logs.ILogGroup;
  readonly alarms: cloudwatch.Alarm[];
  /** Undefined if `dashboard` is false. */
  readonly dashboard?: cloudwatch.Dashboard;
  /** Controls what all workers, and the scaler if it is in the VPC, may reach. */
  readonly connections: ec2.Connections;
  readonly #pools: WorkerPool[];

  /** Throws one error that lists every problem with the props. */
  constructor(scope: Construct, id: string, given: ElasticWorkersProps) {
    super(scope, id);
    const props = onTemporalOfContext(this, given);
    const { files, problems: ofEntries } = bundleEntries(this, props.pools);
    const { region } = Stack.of(this);
    const problems = [...problemsOf(props, region), ...ofEntries];
    if (problems.length > 0) throw new Error(`ElasticWorkers ${this.node.path}:\n- ${problems.join('\n- ')}`);

    this.#warnOfDeprecated(props);
    const preset = presetOf(props, region);
    const temporal = temporalOf(props.temporal);
    this.cluster = props.cluster ?? this.#newCluster(props);
    // Whatever the pools run on now, so that a pool can switch later. Imported clusters must enable this themselves.
    if (ecs.Cluster.isCluster(this.cluster)) this.cluster.enableFargateCapacityProviders();
    this.#allowLogsToUse(props);
    this.stateTable = this.#newStateTable(props);
    // Two stacks of an account may have the same construct path, but not the same name.
    const poolsPath = `/elastic-workers/${Names.uniqueResourceName(this, { maxLength: LONGEST_STACK_KEY })}`;
    const subnets = props.vpcSubnets ?? defaultSubnets(this.cluster.vpc);
    const { hasPublic, subnetIds } = this.cluster.vpc.selectSubnets(subnets);
    const network = { subnets, assignPublicIp: hasPublic };
    this.#pools = this.#newPools(props, { ...preset, ...network, poolsPath }, files);
    const scaler = new ScalerFunction(this, 'Scaler', {
      ...preset,
      temporal,
      cluster: this.cluster,
      pools: this.#pools,
      subnetIds,
      stateTable: this.stateTable,
      poolsPath,
      mode: props.mode ?? 'act',
      vpcSubnets: props.scalerVpcSubnets,
      role: props.scalerRole,
      logGroup: props.scalerLogGroup,
      encryptionKey: props.encryptionKey,
    });
    this.scaler = scaler.function;
    this.scalerLogGroup = scaler.logGroup;
    this.connections = new ec2.Connections({
      securityGroups: [
        ...new Set(this.#pools.flatMap((pool) => pool.connections.securityGroups)),
        ...(props.scalerVpcSubnets ? this.scaler.connections.securityGroups : []),
      ],
    });
    this.alarms = preset.alarms ? this.#newAlarms(props) : [];
    if (preset.dashboard) {
      this.dashboard = poolsDashboard(this, 'Dashboard', {
        pools: this.#pools,
        alarms: this.alarms,
        metrics: preset.metrics,
        scalerLogGroup: this.scalerLogGroup,
      });
    }
    tellCommandLine(this, {
      poolsPath,
      stateTable: this.stateTable.tableName,
      scalerFunction: this.scaler.functionName,
      scalerLogGroup: this.scalerLogGroup.logGroupName,
      dashboard: this.dashboard?.dashboardName,
      temporal,
    });
    this.#tellStandingCost(preset, network.assignPublicIp);
  }

  /** Props of 0.1. */
  #warnOfDeprecated({ pools, reserveConcurrency }: ElasticWorkersProps): void {
    const deprecated = {
      'WorkerPoolProps.protection': [
        Object.values(pools).some(({ protection }) => protection !== undefined),
        'Remove it, and set sidecar: false for an image whose worker protects itself.',
      ],
      'ElasticWorkersProps.reserveConcurrency': [
        reserveConcurrency !== undefined,
        'Remove it: the scaler reserves no concurrency.',
      ],
    } as const;
    for (const [prop, [isUsed, message]] of Object.entries(deprecated)) {
      if (isUsed) Annotations.of(this).addDeprecation(prop, message);
    }
  }

  get pools(): IWorkerPool[] {
    return [...this.#pools];
  }

  /** The pool with that name. Throws if there is none. */
  pool(name: string): IWorkerPool {
    const found = this.#pools.find(({ poolName }) => poolName === name);
    if (found) return found;
    throw new Error(
      `${this.node.path} has no pool "${name}"; it has ${this.#pools.map((pool) => pool.poolName).join(', ')}`,
    );
  }

  /** Grants permission to pause pools, override their limits and drain tasks, with tags on their services. */
  grantOverrule(grantee: iam.IGrantable): iam.Grant {
    const resourceArns = this.#pools.map(({ service }) => service.serviceArn);
    const tags = [...Object.values(SERVICE_TAGS), `${DRAIN_TAG}*`];
    return iam.Grant.addToPrincipal({
      grantee,
      actions: ['ecs:TagResource', 'ecs:UntagResource'],
      resourceArns,
      // Excludes the tag that assigns a task to its pool, which workers' permissions depend on.
      conditions: { 'ForAllValues:StringLike': { 'aws:TagKeys': tags }, Null: { 'aws:TagKeys': 'false' } },
    }).combine(iam.Grant.addToPrincipal({ grantee, actions: ['ecs:ListTagsForResource'], resourceArns }));
  }

  /** Grants permission to read the scaler's decisions. */
  grantReadDecisions(grantee: iam.IGrantable): iam.Grant {
    return this.scalerLogGroup.grantRead(grantee);
  }

  /** Public subnets and no NAT gateway, which alone would cost more than a small fleet; nothing listens there. */
  #newCluster(props: ElasticWorkersProps): ecs.Cluster {
    const cluster = new ecs.Cluster(this, 'Cluster', { vpc: props.vpc ?? this.#newVpc() });
    acknowledge(
      cluster,
      'ECS4',
      'Container Insights would add paid metrics; alarms and dashboard use the scaler’s metrics.',
    );
    return cluster;
  }

  #newVpc(): ec2.Vpc {
    const vpc = new ec2.Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [{ name: 'workers', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
    });
    acknowledge(vpc, 'VPC7', 'Nothing listens in it. For flow logs, pass a VPC that has them.');
    for (const subnet of vpc.publicSubnets) {
      acknowledgeLint(subnet, 'W3010', 'The CDK looks up the zones when the stack names its account and region.');
    }
    return vpc;
  }

  #allowLogsToUse({ encryptionKey }: ElasticWorkersProps): void {
    encryptionKey?.grantEncryptDecrypt(new iam.ServicePrincipal(`logs.${Stack.of(this).region}.amazonaws.com`));
  }

  /** Nothing in the table is worth keeping when the stack is deleted: the scaler can start without it. */
  #newStateTable({ encryptionKey }: ElasticWorkersProps): dynamodb.Table {
    const table = new dynamodb.Table(this, 'State', {
      partitionKey: { name: PARTITION_KEY, type: dynamodb.AttributeType.STRING },
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      timeToLiveAttribute: TIME_TO_LIVE,
      removalPolicy: RemovalPolicy.DESTROY,
      ...(encryptionKey && { encryption: dynamodb.TableEncryption.CUSTOMER_MANAGED, encryptionKey }),
    });
    acknowledge(table, 'DDB3', 'The scaler relearns what the table holds, so there is nothing to restore.');
    return table;
  }

  #newPools(
    props: ElasticWorkersProps,
    preset: Preset & Pick<SharedByPools, 'subnets' | 'assignPublicIp' | 'poolsPath'>,
    files: Record<string, string>,
  ) {
    const shared: SharedByPools = {
      ...preset,
      cluster: this.cluster,
      securityGroups: props.securityGroups ?? [this.#newSecurityGroup()],
      workerImage: props.workerImage,
      sidecarImage: props.sidecarImage,
      stateTable: this.stateTable,
      encryptionKey: props.encryptionKey,
      preset: props.preset,
    };
    // In a construct of their own, so that a pool may have any name.
    const scope = new Construct(this, 'Pools');
    return Object.entries(props.pools).map(([poolName, pool]) => {
      const settings = settingsOf(pool, preset);
      return new WorkerPool(scope, poolName, {
        ...shared,
        poolName,
        settings,
        temporal: temporalOf(props.temporal, pool.temporal),
        files: files[poolName],
      });
    });
  }

  #newSecurityGroup(): ec2.SecurityGroup {
    return new ec2.SecurityGroup(this, 'WorkerSecurityGroup', {
      vpc: this.cluster.vpc,
      description: 'Temporal workers: outbound traffic only',
    });
  }

  #newAlarms({ alarmThresholds, alarmActions = [], alarmTopics = [], runbookUrl }: ElasticWorkersProps) {
    const actions = [...alarmActions, ...alarmTopics.map((topic) => new SnsAction(topic))];
    const alarms = this.#pools.flatMap(
      (pool) => new PoolAlarms(pool, 'Alarms', { pool, thresholds: alarmThresholds, runbookUrl }).alarms,
    );
    for (const alarm of alarms) {
      alarm.addAlarmAction(...actions);
      alarm.addOkAction(...actions);
    }
    return alarms;
  }

  #tellStandingCost(preset: Preset, publicAddresses: boolean): void {
    const lines = standingCost({
      ...preset,
      pools: this.#pools.map(({ poolName: name, settings }) => ({
        name,
        settings,
        publicAddress: publicAddresses && !settings.capacityProvider,
      })),
    });
    const total = `${totalOf(lines).toFixed(2)} USD per month`;
    const each = lines.map(
      ({ what, dollars, arithmetic }) => `  ${dollars.toFixed(2).padStart(8)}  ${what}: ${arithmetic}`,
    );
    const said = `standing cost, with every pool at minTasks (${PRICES_OF}): ${total}\n${each.join('\n')}`;
    this.#say(said);
    new CfnOutput(this, 'StandingCost', {
      description: `With every pool at minTasks, at list prices of ${PRICES_OF}`,
      value: `${total}: ${lines.map(({ what, dollars }) => `${what} ${dollars.toFixed(2)}`).join('; ')}`,
    });
  }

  /**
   * Prints the note once, at synth. The CLI prints info annotations; but in apps that put annotations into the validation report,
   * as new ones do, it omits them as soon as there is a warning.
   */
  #say(note: string): void {
    if (!this.node.tryGetContext('@aws-cdk/core:annotationsInValidationReport')) {
      Annotations.of(this).addInfo(note);
      return;
    }
    this.node.addValidation({
      validate: () => {
        process.stderr.write(`${this.node.path}: ${note}\n`);
        return [];
      },
    });
  }
}

function defaultSubnets(vpc: ec2.IVpc): ec2.SubnetSelection {
  if (vpc.privateSubnets.length > 0) return { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
  if (vpc.publicSubnets.length > 0) return { subnetType: ec2.SubnetType.PUBLIC };
  return { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
}
