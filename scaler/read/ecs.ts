/** Reads the pools' services from ECS: the desired count, each task's state and address, and a person's tags. */
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  paginateListTasks,
  type DescribeServicesCommandOutput,
  type ECSClient,
  type Service,
  type Task,
} from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { AtOnce } from '../at-once.ts';
import { chunks, TASKS_A_CALL } from '../../contract/chunks.ts';
import { readDrained, readOverrides, type Overrides } from './overrides.ts';
import type { Reading, TasksReading } from '../policy.ts';

const SERVICES_A_CALL = 10;
const BATCHES_AT_ONCE = 10;

export type UncordonedTasks = Omit<TasksReading, 'cordoned'> & { outdated: string[] };

export interface ServiceReading {
  tasks: Reading<UncordonedTasks>;
  /** Task ids by private address. */
  addresses: Map<string, string>;
  /** Empty if the service could not be read; its tasks are then unknown, and nothing is done. */
  overrides: Overrides;
}

export class EcsServices {
  readonly #client: ECSClient;

  constructor(client: ECSClient) {
    this.#client = client;
  }

  /** Reads all pools' services and tasks. Never throws: a failed reading is unknown, with the reason, for its pool only. */
  async read(pools: PoolConfig[]): Promise<Map<string, ServiceReading>> {
    const batches = [...Map.groupBy(pools, (pool) => pool.cluster).values()].flatMap((ofCluster) =>
      chunks(ofCluster, SERVICES_A_CALL),
    );
    const reading = new AtOnce(BATCHES_AT_ONCE);
    const read = await Promise.all(batches.map((batch) => reading.run(() => this.#readBatch(batch))));
    return new Map(read.flat());
  }

  async #readBatch(batch: PoolConfig[]): Promise<[string, ServiceReading][]> {
    try {
      const services = batch.map(({ service }) => service);
      const answer = await this.#client.send(
        new DescribeServicesCommand({ cluster: batch[0]?.cluster, services, include: ['TAGS'] }),
      );
      const read = await Promise.all(batch.map((pool) => this.#readService(pool, answer)));
      return batch.map(({ pool }, index) => [pool, read[index] as ServiceReading]);
    } catch (error) {
      if (batch.length === 1 || !isOfOne(error)) return batch.map(({ pool }) => [pool, unread(String(error))]);
      // One service with a wrong name, or that a deployment has just removed, fails the request for all ten.
      return (await Promise.all(batch.map((pool) => this.#readBatch([pool])))).flat();
    }
  }

  async #readService(
    pool: PoolConfig,
    { services = [], failures = [] }: DescribeServicesCommandOutput,
  ): Promise<ServiceReading> {
    const service = services.find(({ serviceArn, serviceName }) => [serviceArn, serviceName].includes(pool.service));
    if (service?.status !== 'ACTIVE') {
      const failure = failures.find(({ arn }) => arn === pool.service || arn?.endsWith(`/${pool.service}`));
      const state = service?.status ?? failure?.reason ?? 'MISSING';
      return unread(`ECS service ${pool.service} is ${state}: redeploy the stack`);
    }
    const overrides = readOverrides(service.tags ?? []);
    try {
      const tasks = isEmpty(service) ? [] : await this.#tasksOf(pool);
      return { tasks: sorted(service, tasks), addresses: addressesOf(tasks), overrides };
    } catch (error) {
      return { ...unread(String(error)), overrides };
    }
  }

  async #tasksOf({ cluster, service }: PoolConfig): Promise<Task[]> {
    const arns: string[] = [];
    for await (const page of paginateListTasks({ client: this.#client }, { cluster, serviceName: service })) {
      arns.push(...(page.taskArns ?? []));
    }
    const described = await Promise.all(
      chunks(arns, TASKS_A_CALL).map((tasks) => this.#client.send(new DescribeTasksCommand({ cluster, tasks }))),
    );
    const [failure] = described.flatMap(({ failures = [] }) => failures);
    // A task that is listed but not described would count as gone.
    if (failure) throw new Error(`ECS did not describe the task ${failure.arn}: ${failure.reason}`);
    return described.flatMap(({ tasks = [] }) => tasks);
  }
}

/** The task's id: the last part of its ARN, and our workers' Temporal identity. */
export function taskIdOf(taskArn: string | undefined): string {
  return taskArn?.split('/').at(-1) ?? '';
}

function isOfOne(error: unknown): boolean {
  return error instanceof Error && /InvalidParameter|ClusterNotFound|AccessDenied/.test(error.name);
}

/** A service about which nothing is known. */
export function unread(why: string): ServiceReading {
  return { tasks: { unknown: why }, addresses: new Map(), overrides: { policy: {}, problems: [] } };
}

function addressesOf(tasks: Task[]): Map<string, string> {
  return new Map(
    tasks
      .filter(({ desiredStatus }) => desiredStatus === 'RUNNING')
      .flatMap(({ taskArn, attachments = [] }) =>
        attachments
          .flatMap(({ details = [] }) => details)
          .filter(({ name }) => name === 'privateIPv4Address')
          .map(({ value = '' }) => [value, taskIdOf(taskArn)] as const),
      ),
  );
}

function isEmpty({ desiredCount, runningCount, pendingCount, deployments = [] }: Service): boolean {
  return desiredCount === 0 && runningCount === 0 && pendingCount === 0 && deployments.length <= 1;
}

function sorted(service: Service, tasks: Task[]): UncordonedTasks {
  const staying = tasks.filter((task) => task.desiredStatus === 'RUNNING');
  const byHand = new Set(readDrained(service.tags ?? []));
  const deployment = service.deployments?.find(({ status }) => status === 'PRIMARY')?.id;
  const drained = idsOf(staying, ({ taskArn }) => byHand.has(taskIdOf(taskArn)));
  const spot = idsOf(staying, ({ capacityProviderName }) => capacityProviderName === 'FARGATE_SPOT');
  const zones = zonesOf(staying);
  return {
    desired: service.desiredCount ?? 0,
    running: idsOf(staying, ({ lastStatus }) => lastStatus === 'RUNNING'),
    pending: idsOf(staying, ({ lastStatus }) => lastStatus !== 'RUNNING'),
    outdated: idsOf(staying, (task) => isOutdated(task, deployment, service)),
    ...(deployment !== undefined && { deployment }),
    ...(drained.length > 0 && { drained }),
    ...(spot.length > 0 && { spot }),
    ...(zones.length > 1 && { zones }),
  };
}

/**
 * A deployment is identified by its id, which ECS writes into `startedBy` of the tasks that it starts. A forced deployment, a
 * changed network or capacity strategy, and each rollback by CloudFormation keep the task definition. (Source: ECS API reference,
 * Task.startedBy and Deployment.id.)
 */
function isOutdated({ startedBy, taskDefinitionArn }: Task, deployment: string | undefined, service: Service): boolean {
  if (deployment !== undefined && startedBy?.startsWith(SERVICE_DEPLOYMENT)) return startedBy !== deployment;
  return taskDefinitionArn !== service.taskDefinition;
}

const SERVICE_DEPLOYMENT = 'ecs-svc/';

/** The tasks in each availability zone. */
function zonesOf(tasks: Task[]): string[][] {
  const placed = tasks.filter(({ availabilityZone }) => availabilityZone !== undefined);
  return [...Map.groupBy(placed, ({ availabilityZone }) => availabilityZone).values()].map((ofZone) => idsOf(ofZone));
}

function idsOf(tasks: Task[], those: (task: Task) => boolean = () => true): string[] {
  return tasks.filter(those).map(({ taskArn }) => taskIdOf(taskArn));
}
