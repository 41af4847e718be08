/** The Temporal server, the AWS emulator and local Fargate, for tests of the whole system: started and stopped together. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ECSClient } from '@aws-sdk/client-ecs';
import type { Client } from '@temporalio/client';
import type { LocalFargate, LocalFargateOptions, TaskSummary } from '../local/fargate/index.ts';
import { localClient } from '../local/observe.ts';
import { startSite, type SiteOptions } from '../local/plant.ts';
import { bootstrap } from '../local/stack.ts';
import { startTemporal, type LocalTemporal } from '../local/temporal.ts';
import { ensureTools, LOCAL_DIRECTORY } from '../local/tools.ts';

export type TestedSiteOptions = Partial<Pick<SiteOptions, 'startDelay' | 'temporal'>> & {
  fargate?: Partial<LocalFargateOptions>;
};

/** What a task of a test takes to start, in seconds. */
const START_DELAY = { min: 0.1, max: 0.5 };

export class TestedSite {
  /** Of logs and data. */
  readonly directory: string;
  readonly #closers: (() => Promise<void>)[] = [];
  #options: TestedSiteOptions = {};
  temporal!: LocalTemporal;
  client!: Client;
  emulatorUrl!: string;
  fargate!: LocalFargate;
  ecs!: ECSClient;

  constructor(directory: string) {
    this.directory = directory;
  }

  async start(options: TestedSiteOptions = {}): Promise<void> {
    this.#options = options;
    const site = await startSite({
      tools: await ensureTools(),
      seed: 1,
      startDelay: START_DELAY,
      onProgress: () => {},
      signal: new AbortController().signal,
      closers: this.#closers,
      directory: this.directory,
      ...options,
    });
    Object.assign(this, site);
    this.ecs = new ECSClient(localClient(this.fargate.url));
  }

  /** The server comes back at the same address, with what its database has. */
  async restartTemporal(signal?: 'SIGKILL'): Promise<void> {
    const { address, pid, stop } = this.temporal;
    if (signal !== undefined) process.kill(pid, signal);
    await stop();
    const port = Number(address.split(':')[1]);
    this.temporal = await startTemporal({ ...this.#options.temporal, directory: join(this.directory, 'logs'), port });
    this.#closers.push(this.temporal.stop);
  }

  /** Tasks that run, of all services or of this one. */
  running(service?: string): TaskSummary[] {
    const isOf = (task: TaskSummary) => service === undefined || task.service === service;
    return this.fargate.tasks().filter((task) => isOf(task) && task.lastStatus === 'RUNNING');
  }

  /** Whether an activity of a running workflow with such an ID has started, as the server reports. */
  async hasStarted(workflowIdPrefix: string): Promise<boolean> {
    for await (const { workflowId } of this.client.workflow.list({ query: `ExecutionStatus = 'Running'` })) {
      if (!workflowId.startsWith(workflowIdPrefix)) continue;
      const { raw } = await this.client.workflow.getHandle(workflowId).describe();
      if (raw.pendingActivities?.some(({ lastStartedTime }) => lastStartedTime)) return true;
    }
    return false;
  }

  async stop(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
  }
}

/** The CDK's command line deploys to it. Its folder is inside the repository, where the CDK is found, and stays until the next run. */
export class DeployedSite extends TestedSite {
  /** Two with different names can exist at the same time. */
  constructor(name: string) {
    super(join(LOCAL_DIRECTORY, name));
    rmSync(this.directory, { recursive: true, force: true });
    mkdirSync(this.directory, { recursive: true });
  }

  override async start(options: TestedSiteOptions = {}): Promise<void> {
    await super.start({ startDelay: { min: 0.5, max: 1 }, ...options });
    const { emulatorUrl, directory } = this;
    await bootstrap({ emulatorUrl, directory });
  }
}
