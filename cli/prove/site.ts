/** What a proof works with: clients, the stack once it is deployed, and its work. */
import {
  CloudFormationClient,
  DescribeStacksCommand,
  paginateListStackResources,
  type Stack as CloudFormationStack,
  type StackResourceSummary,
} from '@aws-sdk/client-cloudformation';
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  paginateListTasks,
  type Deployment,
  type Task,
} from '@aws-sdk/client-ecs';
import { Client, Connection } from '@temporalio/client';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { PROOF_STACK, type ProofSettings } from '../../contract/proof.ts';
import { STACKS_PATH } from '../../contract/stack-config.ts';
import { chunks, TASKS_A_CALL } from '../../contract/chunks.ts';
import { known } from '../../scaler/policy.ts';
import { EcsServices, type UncordonedTasks } from '../../scaler/read/ecs.ts';
import { accessTo } from '../../scaler/read/temporal-connection.ts';
import { CommandError } from '../../deployed/errors.ts';
import type { Shell } from '../shell.ts';
import { Aws, CLIENT_SETTINGS, openStack, reasonOf, type Stack } from '../../deployed/stacks.ts';
import { placing } from '../../deployed/temporal-places.ts';
import { Work } from './work.ts';

export class Site {
  readonly shell: Shell;
  readonly settings: ProofSettings;
  readonly cloudFormation = new CloudFormationClient(CLIENT_SETTINGS);
  readonly startedAt: number;
  /** The stack's ARN, once it exists: a deleted stack can no longer be found by name. */
  arn: string | undefined;
  /** Empty until it is deployed. */
  resources: StackResourceSummary[] = [];
  /** The most tasks seen at once. */
  peak = 0;
  readonly work: Work;
  readonly serverVersion: string;
  readonly #connection: Connection;
  #stack: Stack | undefined;

  private constructor(shell: Shell, settings: ProofSettings, connection: Connection, serverVersion: string) {
    this.shell = shell;
    this.settings = settings;
    this.startedAt = shell.now();
    this.#connection = connection;
    this.serverVersion = serverVersion;
    this.work = new Work(new Client({ connection, namespace: settings.temporal.namespace }), settings.taskQueue);
  }

  static async open(shell: Shell, settings: ProofSettings): Promise<Site> {
    const { placed, readSecret } = placing(shell.env, new Aws());
    const { namespace: _, ...access } = await accessTo(placed(settings.temporal), shell.now(), readSecret);
    const connection = await Connection.connect(access);
    const { serverVersion } = await connection.workflowService.getSystemInfo({});
    return new Site(shell, settings, connection, serverVersion ?? 'unknown');
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Undefined until it is deployed. */
  get stackIfAny(): Stack | undefined {
    return this.#stack;
  }

  get stack(): Stack {
    if (this.#stack === undefined) throw new CommandError('the stack does not exist');
    return this.#stack;
  }

  get pool(): PoolConfig {
    const [pool] = this.stack.pools;
    if (pool === undefined) throw new CommandError('the stack has no pool');
    return pool;
  }

  /** Call this after the stack is deployed, and before it is destroyed. */
  async find(): Promise<void> {
    this.arn = (await readStack(this.cloudFormation))?.StackId;
    this.resources = await this.resourcesOf(PROOF_STACK);
    const names = this.resources.map(({ PhysicalResourceId = '' }) => PhysicalResourceId);
    const parameter = names.find((name) => name.startsWith(`${STACKS_PATH}/`));
    this.#stack = await openStack({ stack: parameter?.slice(STACKS_PATH.length + 1) ?? PROOF_STACK });
  }

  /** A deleted stack is found only by its ARN. */
  async resourcesOf(StackName: string): Promise<StackResourceSummary[]> {
    const all: StackResourceSummary[] = [];
    const pages = paginateListStackResources({ client: this.cloudFormation }, { StackName });
    for await (const { StackResourceSummaries = [] } of pages) all.push(...StackResourceSummaries);
    return all;
  }

  async tasks(): Promise<UncordonedTasks> {
    const read = await new EcsServices(this.stack.aws.ecs).read([this.pool]);
    const tasks = read.get(this.pool.pool)?.tasks ?? { unknown: 'not read' };
    if (!known(tasks)) throw new CommandError(`cannot read the service's tasks: ${tasks.unknown}`);
    this.peak = Math.max(this.peak, tasks.running.length);
    return tasks;
  }

  async deployments(): Promise<Deployment[]> {
    const { cluster, service } = this.pool;
    const request = new DescribeServicesCommand({ cluster, services: [service] });
    const { services = [] } = await this.stack.aws.ecs.send(request);
    return services[0]?.deployments ?? [];
  }

  /** Includes tasks stopped within the last hour. */
  async allTasks(): Promise<Task[]> {
    const { cluster, service: serviceName } = this.pool;
    const { ecs } = this.stack.aws;
    const arns: string[] = [];
    for (const desiredStatus of ['RUNNING', 'STOPPED'] as const) {
      const pages = paginateListTasks({ client: ecs }, { cluster, serviceName, desiredStatus });
      for await (const { taskArns = [] } of pages) arns.push(...taskArns);
    }
    const requests = chunks(arns, TASKS_A_CALL).map((tasks) => ecs.send(new DescribeTasksCommand({ cluster, tasks })));
    return (await Promise.all(requests)).flatMap(({ tasks = [] }) => tasks);
  }
}

/** Undefined if there is no such stack. */
export async function readStack(client: CloudFormationClient): Promise<CloudFormationStack | undefined> {
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: PROOF_STACK }));
    return Stacks[0];
  } catch (error) {
    if (/does not exist/.test(reasonOf(error))) return undefined;
    throw error;
  }
}
