/** One machine with this repository's own app deployed to it, in production; work for its pools, and a watch on their tasks. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulatorCredentials } from '../../local/emulator.ts';
import { LOCAL_CONTEXT, readPlant, type Plant } from '../../local/plant.ts';
import { assemblyIn, deployStacks } from '../../local/stack.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/strategies/types.ts';
import { requireNothingRefused, type Template } from '../rights/statements.ts';
import { DeployedSite } from '../tested-site.ts';
import { invokeScalers } from './tested-stack.ts';

type Context = Record<string, string | number>;

export class TestedPlant extends DeployedSite {
  readonly #context: Context;
  /** As of the first deployment. */
  pools!: Plant['pools'];

  /** `context` is the app's. */
  constructor(name: string, context: Context = {}) {
    super(name);
    this.#context = { env: 'production', ...LOCAL_CONTEXT, ...context };
  }

  override async start(): Promise<void> {
    await super.start({ startDelay: { min: 1, max: 2 } });
    const { pools } = await this.deploy(this.#context);
    this.pools = pools;
    await invokeScalers(this.emulatorUrl);
  }

  /** Throws if a role was refused anything. */
  override async stop(): Promise<void> {
    await super.stop();
    requireNothingRefused(this.logs);
  }

  get logs(): string {
    return join(this.directory, 'logs');
  }

  /** What was deployed last. */
  template(stack: string): Template {
    return JSON.parse(readFileSync(join(assemblyIn(this.directory), `${stack}.template.json`), 'utf8')) as Template;
  }

  /** The app, unchanged, with the existing build; over what is deployed. Returns what exists then. */
  async deploy(context: Context) {
    const { emulatorUrl, directory, temporal } = this;
    const withTemporal = { ...context, temporalAddress: temporal.address };
    await deployStacks({ emulatorUrl, app: 'node infra/app.ts', directory, context: withTemporal });
    return readPlant(emulatorUrl);
  }

  /** The environment that a command needs to find it. */
  get environment() {
    return { ...emulatorCredentials(this.emulatorUrl), AWS_ENDPOINT_URL_ECS: this.fargate.url };
  }

  async startWork(workflowId: string, taskQueue: string, seconds: number): Promise<void> {
    const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
    const input = { task: workflowId, steps: ['Answer'] };
    await this.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue,
      workflowId,
      args: ['sequential', input, config],
    });
  }

  async countWork(status: 'Running' | 'Completed'): Promise<number> {
    return (await this.client.workflow.count(`ExecutionStatus = '${status}'`)).count;
  }

  tasksAtWork(): number {
    return this.fargate.tasks().filter(({ lastStatus }) => lastStatus !== 'STOPPED').length;
  }

  /** Why tasks have stopped, each reason once. */
  stopCodes(): Set<string | undefined> {
    return new Set(this.fargate.tasks().map(({ stopCode }) => stopCode));
  }

  tasksRunning(service: string): number {
    const isOf = (task: { service: string }) => service.endsWith(task.service);
    return this.fargate.tasks().filter((task) => isOf(task) && task.lastStatus === 'RUNNING').length;
  }
}
