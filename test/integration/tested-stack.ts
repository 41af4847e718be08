/** One machine with a stack of the tests' own app (app.ts) deployed to it repeatedly; and what tests do to it. */
import { join } from 'node:path';
import type { Service } from '@aws-sdk/client-ecs';
import type { SERVICE_TAGS } from '../../contract/service-tags.ts';
import type { TaskSummary } from '../../local/fargate/index.ts';
import { readPoolConfigs } from '../../local/observe.ts';
import { cdk, type StackOptions } from '../../local/stack.ts';
import { readService, tagService } from '../aws-resources.ts';
import { requireNothingRefused } from '../rights/statements.ts';
import { DeployedSite } from '../tested-site.ts';
import type { TestedWorkers } from './app.ts';

export class TestedStack extends DeployedSite {
  /** Of the newest deployment. */
  #pools = new Set<string>();

  /** Throws if a role was refused anything. */
  override async stop(): Promise<void> {
    await super.stop();
    this.#requireNothingRefused();
  }

  /** As on AWS, a scaler invocation still ticks after its role has lost its permissions for a pool, or all of them. */
  #requireNothingRefused(): void {
    requireNothingRefused(this.#logs, ({ caller, resource }) => {
      const [, pool] = /Pools([a-z]+)Service/.exec(resource) ?? [];
      const isGone = this.#pools.size === 0 || (pool !== undefined && !this.#pools.has(pool));
      return isGone && caller.includes('ScalerRole');
    });
  }

  get #logs(): string {
    return join(this.directory, 'logs');
  }

  async deploy(workers: Record<string, TestedWorkers>): Promise<void> {
    this.#pools = new Set(Object.values(workers).flatMap(({ pools }) => Object.keys(pools)));
    await this.cdk('deploy', workers, '--require-approval', 'never');
  }

  /** Returns the command's output; throws if it failed. */
  cdk(command: 'deploy' | 'diff' | 'destroy', workers: Record<string, TestedWorkers>, ...args: string[]) {
    if (command === 'destroy') {
      this.#requireNothingRefused();
      this.#pools.clear();
    }
    const { emulatorUrl, temporal } = this;
    const options: StackOptions = {
      emulatorUrl,
      app: 'node test/integration/app.ts',
      directory: this.directory,
      context: { workers: JSON.stringify(workers), temporalAddress: temporal.address },
    };
    return cdk(options, command, ['Tested', ...args]);
  }

  /** The pool's tasks that run and are not being stopped. */
  tasks(pool: string): TaskSummary[] {
    return this.fargate
      .tasks()
      .filter(({ service, desiredStatus }) => service.includes(`Pools${pool}`) && desiredStatus === 'RUNNING');
  }

  async service(pool: string): Promise<Service> {
    const config = (await readPoolConfigs(this.emulatorUrl)).find((each) => each.pool === pool);
    return readService(this.ecs, config?.cluster ?? '', config?.service ?? '');
  }

  /** Sets tags on a pool's service, as a person would, without a deployment. */
  async tag(pool: string, limits: Partial<Record<keyof typeof SERVICE_TAGS, string>>): Promise<void> {
    await tagService(this.ecs, await this.service(pool), limits);
  }

  invokeScaler(workers: string): Promise<void> {
    return invokeScalers(this.emulatorUrl, workers);
  }

  /** Switches the scaler's schedule on or off. */
  async schedule(workers: string, state: 'ENABLED' | 'DISABLED'): Promise<void> {
    const { emulatorUrl } = this;
    const { Schedules } = await call<{ Schedules: { Name: string }[] }>(emulatorUrl, 'scheduler', '/schedules');
    for (const { Name } of Schedules.filter((each) => each.Name.includes(`${workers}Scaler`))) {
      const schedule = await call<object>(emulatorUrl, 'scheduler', `/schedules/${Name}`);
      const body = JSON.stringify({ ...schedule, State: state });
      await call(emulatorUrl, 'scheduler', `/schedules/${Name}`, { method: 'PUT', body });
    }
  }
}

/** Once, now, without waiting for the schedule, which first fires a minute after its creation. */
export async function invokeScalers(emulatorUrl: string, workers = ''): Promise<void> {
  const functions = '/2015-03-31/functions';
  const { Functions } = await call<{ Functions: { FunctionName: string }[] }>(emulatorUrl, 'lambda', functions);
  const scalers = Functions.filter(({ FunctionName }) => FunctionName.includes(`${workers}Scaler`));
  const headers = { 'x-amz-invocation-type': 'Event' };
  for (const { FunctionName: name } of scalers) {
    await call(emulatorUrl, 'lambda', `${functions}/${name}/invocations`, { method: 'POST', body: '{}', headers });
  }
}

/** Plain HTTP for the few calls whose clients are not dependencies. */
async function call<T>(emulatorUrl: string, service: string, path: string, { headers, ...init }: RequestInit = {}) {
  const response = await fetch(`${emulatorUrl}${path}`, {
    ...init,
    headers: {
      ...headers,
      'content-type': 'application/json',
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=none`,
    },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as T;
}
