/** What ECS answers to a client, in pages and in parts: of its services and their tasks. */
import type { Random } from '../../simulate/random.ts';
import type { Faults } from './faults.ts';
import { addressOf, live, type Service, type SimulatedTask } from './ecs-services.ts';

export const REGION = 'arn:aws:ecs:eu-west-1:123456789012';
export const CLUSTER = 'cluster';

export interface EcsApiParts {
  random: Random;
  faults: Faults;
  /** False for an ECS whose tasks do not say which deployment started them: a guard taken out. */
  tellsDeployments: boolean;
  /** Page size of ListTasks. */
  pageSize: number;
  /** False for one that says nothing of the pages after the first: a guard taken out. */
  paginates: boolean;
}

export class EcsApi {
  readonly #parts: EcsApiParts;
  readonly #services: ReadonlyMap<string, Service>;
  readonly #setDesired: (service: Service, desired: number) => void;

  constructor(
    parts: EcsApiParts,
    services: ReadonlyMap<string, Service>,
    setDesired: (service: Service, desired: number) => void,
  ) {
    this.#parts = parts;
    this.#services = services;
    this.#setDesired = setDesired;
  }

  /** The answer to a command of the SDK's client. */
  answer(command: string, input: Record<string, unknown>): unknown {
    switch (command) {
      case 'DescribeServicesCommand':
        return this.#describeServices(input as { cluster: string; services: string[] });
      case 'ListTasksCommand':
        return this.#listTasks(input as { serviceName: string; nextToken?: string });
      case 'DescribeTasksCommand':
        return this.#describeTasks(input as { tasks: string[] });
      case 'UpdateServiceCommand': {
        const service = this.#find(input.service as string);
        this.#setDesired(service, input.desiredCount as number);
        return { service: this.#describe(service) };
      }
      default:
        throw new Error(`the modeled ECS does not know ${command}`);
    }
  }

  #find(name: string): Service {
    const service = this.#services.get(name.split('/').at(-1)!);
    if (!service?.exists) throw named('ServiceNotFoundException', 'Service not found.');
    return service;
  }

  /** One service that is another cluster's makes the whole request invalid. */
  #describeServices({ cluster, services }: { cluster: string; services: string[] }): unknown {
    if (services.length > 10) throw named('InvalidParameterException', 'Services cannot have more than 10 elements.');
    const foreign = services.find((name) => name.startsWith('arn:') && !name.includes(`:service/${cluster}/`));
    if (foreign !== undefined) throw named('InvalidParameterException', `${foreign} is not of the cluster ${cluster}`);
    const found = services.flatMap((name) => this.#services.get(name.split('/').at(-1)!) ?? []);
    const hidden = (service: Service) => !service.exists || this.#isPartial(service);
    return {
      services: found.filter((service) => !hidden(service)).map((service) => this.#describe(service)),
      failures: services
        .filter((name) => found.every((service) => service.name !== name.split('/').at(-1) || hidden(service)))
        .map((name) => ({ arn: `${REGION}:service/${cluster}/${name.split('/').at(-1)}`, reason: 'MISSING' })),
    };
  }

  #describe(service: Service) {
    const tasks = live(service);
    const deployments = new Set([service.deployment, ...tasks.map(({ deployment }) => deployment)]);
    return {
      serviceArn: `${REGION}:service/${CLUSTER}/${service.name}`,
      serviceName: service.name,
      status: 'ACTIVE',
      desiredCount: service.desired,
      runningCount: tasks.filter(({ state }) => state === 'running').length,
      pendingCount: tasks.filter(({ state }) => state === 'pending').length,
      taskDefinition: definitionArn(service, service.revision),
      deployments: [...deployments].map((deployment) => ({
        id: `ecs-svc/${deployment}`,
        status: deployment === service.deployment ? 'PRIMARY' : 'ACTIVE',
      })),
      events: [],
      tags: [],
    };
  }

  /** As the API does by default: tasks being stopped are left out. A token says which task comes next, not how many came. */
  #listTasks({ serviceName, nextToken }: { serviceName: string; nextToken?: string }): unknown {
    const { pageSize, paginates } = this.#parts;
    const from = Number(nextToken ?? 0);
    const service = this.#find(serviceName);
    if (nextToken !== undefined && this.#isPartial(service)) throw named('ServerException', 'HTTP 500');
    const left = live(service).filter(({ number }) => number >= from);
    const next = left[pageSize];
    return {
      taskArns: left.slice(0, pageSize).map(arnOf),
      ...(next && paginates && { nextToken: String(next.number) }),
    };
  }

  #describeTasks({ tasks }: { tasks: string[] }): unknown {
    if (tasks.length === 0 || tasks.length > 100) throw named('InvalidParameterException', '1 to 100 tasks');
    const wanted = new Set(tasks.map((task) => task.split('/').at(-1)));
    const found = [...this.#services.values()].flatMap((service) => service.tasks.filter(({ id }) => wanted.has(id)));
    const missing = found.filter(({ service }) => this.#isPartial(service));
    const described = found
      .filter((task) => !missing.includes(task))
      .map((task) => ({
        taskArn: arnOf(task),
        lastStatus: task.state === 'pending' ? 'PENDING' : 'RUNNING',
        desiredStatus: task.state === 'stopping' ? 'STOPPED' : 'RUNNING',
        taskDefinitionArn: definitionArn(task.service, task.revision),
        ...(this.#parts.tellsDeployments && { startedBy: `ecs-svc/${task.deployment}` }),
        availabilityZone: `eu-west-1${task.zone}`,
        ...(task.capacityProvider && { capacityProviderName: task.capacityProvider }),
        createdAt: new Date(task.createdAt),
        containers: [],
        attachments: [{ details: [{ name: 'privateIPv4Address', value: addressOf(task) }] }],
      }));
    return { tasks: described, failures: missing.map((task) => ({ arn: arnOf(task), reason: 'MISSING' })) };
  }

  /** Each part of an answer may be what is missing. */
  #isPartial({ pool }: Service): boolean {
    return this.#parts.faults.active('ecs.partial', pool) && this.#parts.random() < 0.3;
  }
}

export function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

function arnOf(task: SimulatedTask): string {
  return `${REGION}:task/${CLUSTER}/${task.id}`;
}

function definitionArn(service: Service, revision: number): string {
  return `${REGION}:task-definition/${service.name}:${revision}`;
}
