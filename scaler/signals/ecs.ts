/** What ECS knows of the pools' services: the desired count and each task's state. */
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  paginateListTasks,
  UpdateServiceCommand,
  type ECSClient,
  type Service,
  type Task,
} from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { chunks } from '../chunks.ts';
import type { Reading, TasksReading } from '../policy.ts';

const SERVICES_A_CALL = 10;
const TASKS_A_CALL = 100;

export type UncordonedTasks = Required<Omit<TasksReading, 'cordoned'>>;

export class EcsServices {
  readonly #client: ECSClient;

  constructor(client: ECSClient) {
    this.#client = client;
  }

  /** Reads all pools' services and tasks. Never throws: what failed is unknown, with why, for that pool alone. */
  async read(pools: PoolConfig[]): Promise<Map<string, Reading<UncordonedTasks>>> {
    const batches = [...Map.groupBy(pools, (pool) => pool.cluster).values()].flatMap((ofCluster) =>
      chunks(ofCluster, SERVICES_A_CALL),
    );
    const read = await Promise.all(batches.map((batch) => this.#readBatch(batch)));
    return new Map(read.flat());
  }

  /** Sets the number of tasks that shall take work. Throws what ECS answers. */
  async setDesired(pool: PoolConfig, desiredCount: number): Promise<void> {
    await this.#client.send(new UpdateServiceCommand({ cluster: pool.cluster, service: pool.service, desiredCount }));
  }

  async #readBatch(batch: PoolConfig[]): Promise<[string, Reading<UncordonedTasks>][]> {
    try {
      const { services = [], failures = [] } = await this.#client.send(
        new DescribeServicesCommand({ cluster: batch[0]?.cluster, services: batch.map(({ service }) => service) }),
      );
      return await Promise.all(
        batch.map(async (pool) => {
          const service = services.find(({ serviceArn, serviceName }) =>
            [serviceArn, serviceName].includes(pool.service),
          );
          const failure = failures.find(({ arn }) => arn === pool.service || arn?.endsWith(`/${pool.service}`));
          return [pool.pool, await this.#readTasks(pool, service, failure?.reason)] as [
            string,
            Reading<UncordonedTasks>,
          ];
        }),
      );
    } catch (error) {
      return batch.map(({ pool }) => [pool, { unknown: String(error) }]);
    }
  }

  async #readTasks(pool: PoolConfig, service?: Service, failure = 'MISSING'): Promise<Reading<UncordonedTasks>> {
    if (service?.status !== 'ACTIVE') {
      return { unknown: `ECS service ${pool.service} is ${service?.status ?? failure}: deploy the stack again` };
    }
    try {
      const tasks = isEmpty(service) ? [] : await this.#tasksOf(pool);
      return sorted(service, tasks);
    } catch (error) {
      return { unknown: String(error) };
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
    return described.flatMap(({ tasks = [] }) => tasks);
  }
}

/** The task's id: the last part of its ARN, and our workers' Temporal identity. */
export function taskIdOf(taskArn: string | undefined): string {
  return taskArn?.split('/').at(-1) ?? '';
}

function isEmpty({ desiredCount, runningCount, pendingCount, deployments = [] }: Service): boolean {
  return desiredCount === 0 && runningCount === 0 && pendingCount === 0 && deployments.length <= 1;
}

function sorted(service: Service, tasks: Task[]): UncordonedTasks {
  const staying = tasks.filter((task) => task.desiredStatus === 'RUNNING');
  const ids = (of: Task[]) => of.map(({ taskArn }) => taskIdOf(taskArn));
  return {
    desired: service.desiredCount ?? 0,
    running: ids(staying.filter((task) => task.lastStatus === 'RUNNING')),
    pending: ids(staying.filter((task) => task.lastStatus !== 'RUNNING')),
    outdated: ids(staying.filter((task) => task.taskDefinitionArn !== service.taskDefinition)),
  };
}
