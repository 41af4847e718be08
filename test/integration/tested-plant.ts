/** One machine with this repository's own app deployed to it, in production; work for its pools, and a watch on their tasks. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulatorCredentials } from '../../local/emulator.ts';
import { readPlant, startPlant, type Plant } from '../../local/plant.ts';
import { assemblyIn, deployStacks } from '../../local/stack.ts';
import { ensureTools, LOCAL_DIRECTORY } from '../../local/tools.ts';
import { GENERIC_STRATEGY_WORKFLOW, type ProcessorConfig } from '../../worker/strategies/types.ts';
import { requireNothingRefused, type Template } from '../rights/statements.ts';
import { invokeScalers } from './tested-stack.ts';

/** Unchanged, with the existing build. */
const APP = 'node infra/app.ts';

export class TestedPlant {
  readonly #directory: string;
  readonly #context: Record<string, string | number>;
  readonly #closers: (() => Promise<void>)[] = [];
  plant!: Plant;

  /** Two with different names can exist at the same time. `context` is the app's. */
  constructor(name: string, context: Record<string, string | number> = {}) {
    this.#directory = join(LOCAL_DIRECTORY, name);
    this.#context = context;
  }

  async start(): Promise<void> {
    this.plant = await startPlant({
      tools: await ensureTools(),
      seed: 1,
      startDelay: { min: 1, max: 2 },
      onProgress: () => {},
      signal: new AbortController().signal,
      closers: this.#closers,
      app: APP,
      directory: this.#directory,
      context: { env: 'production', ...this.#context },
    });
    await invokeScalers(this.plant.emulatorUrl);
  }

  /** Throws if a role was refused anything. */
  async stop(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
    requireNothingRefused(this.logs);
  }

  get logs(): string {
    return join(this.#directory, 'logs');
  }

  /** What was deployed last. */
  template(stack: string): Template {
    return JSON.parse(readFileSync(join(assemblyIn(this.#directory), `${stack}.template.json`), 'utf8')) as Template;
  }

  /** Deploys another preset over the current one; returns what exists then. */
  async deployPreset(env: string) {
    const { emulatorUrl, temporal } = this.plant;
    const context = { env, temporalAddress: temporal.address };
    await deployStacks({ emulatorUrl, app: APP, directory: this.#directory, context });
    return readPlant(emulatorUrl);
  }

  /** The environment that a command needs to find it. */
  get environment() {
    const { emulatorUrl, fargate } = this.plant;
    return { ...emulatorCredentials(emulatorUrl), AWS_ENDPOINT_URL_ECS: fargate.url };
  }

  async startWork(workflowId: string, taskQueue: string, seconds: number): Promise<void> {
    const config: ProcessorConfig = { offlineModel: { secondsPerAsk: seconds } };
    const input = { task: workflowId, steps: ['Answer'] };
    await this.plant.client.workflow.start(GENERIC_STRATEGY_WORKFLOW, {
      taskQueue,
      workflowId,
      args: ['sequential', input, config],
    });
  }

  async countWork(status: 'Running' | 'Completed'): Promise<number> {
    return (await this.plant.client.workflow.count(`ExecutionStatus = '${status}'`)).count;
  }

  tasksAtWork(): number {
    return this.plant.fargate.tasks().filter(({ lastStatus }) => lastStatus !== 'STOPPED').length;
  }

  /** Why tasks have stopped, each reason once. */
  stopCodes(): Set<string | undefined> {
    return new Set(this.plant.fargate.tasks().map(({ stopCode }) => stopCode));
  }

  tasksRunning(service: string): number {
    const isOf = (task: { service: string }) => service.endsWith(task.service);
    return this.plant.fargate.tasks().filter((task) => isOf(task) && task.lastStatus === 'RUNNING').length;
  }
}
