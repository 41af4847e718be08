/** Work for the pool: a workflow each second, whose activity takes some seconds and asks no model; and the outcome of each. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { chunks } from '../../contract/chunks.ts';
import { outcomeOf, type Outcome } from '../../local/outcomes.ts';

/** A workflow of the package's worker. */
const WORKFLOW = 'GenericStrategyWorkflow';
/** At one a second: more than one task of the pool holds, less than two. */
const SECONDS_A_PIECE = 6;
const EVERY_MS = 1000;
const AT_ONCE = 20;

export interface Held {
  workflowId: string;
  /** The task that runs its activity. */
  task: string;
}

export class Work {
  readonly ids: string[] = [];
  readonly #open = new Set<string>();
  readonly #client: Client;
  readonly #taskQueue: string;
  #over = new AbortController();
  #flow: Promise<void> = Promise.resolve();
  /** Why a workflow could not be started, or did not complete. */
  readonly problems: string[] = [];

  constructor(client: Client, taskQueue: string) {
    this.#client = client;
    this.#taskQueue = taskQueue;
  }

  get open(): number {
    return this.#open.size;
  }

  begin(): void {
    this.#over = new AbortController();
    this.#flow = this.#run();
  }

  /** Starts nothing more; running work continues. */
  async end(): Promise<void> {
    this.#over.abort();
    await this.#flow;
  }

  /** The activities that are running now. */
  async held(): Promise<Held[]> {
    const held = await this.#each([...this.#open], async (workflowId) => {
      const { raw } = await this.#client.workflow.getHandle(workflowId).describe();
      const running = (raw.pendingActivities ?? []).filter(({ lastStartedTime }) => lastStartedTime);
      return running.map(({ lastWorkerIdentity }) => ({ workflowId, task: lastWorkerIdentity?.split('#')[0] ?? '' }));
    });
    return held.flat();
  }

  /** As recorded in Temporal's histories. */
  outcomes(ids = this.ids): Promise<Outcome[]> {
    return this.#each(ids, async (workflowId) => {
      const history = await this.#client.workflow.getHandle(workflowId).fetchHistory();
      return outcomeOf(history as Parameters<typeof outcomeOf>[0]);
    });
  }

  /** So that no workflow waits for a pool that no longer exists. Returns how many were open. */
  async terminate(): Promise<number> {
    const open = [...this.#open];
    await this.#each(open, (workflowId) =>
      this.#client.workflow
        .getHandle(workflowId)
        .terminate('the proof has ended')
        .catch(() => undefined),
    );
    return open.length;
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await this.#start(`${this.#taskQueue}-${this.ids.length}`);
      await delay(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #start(workflowId: string): Promise<void> {
    const input = { task: workflowId, steps: ['Answer'] };
    const args = ['sequential', input, { offlineModel: { secondsPerAsk: SECONDS_A_PIECE } }];
    try {
      const handle = await this.#client.workflow.start(WORKFLOW, {
        taskQueue: this.#taskQueue,
        workflowId,
        args,
        workflowExecutionTimeout: '1 hour',
      });
      this.ids.push(workflowId);
      this.#open.add(workflowId);
      const ended = () => void this.#open.delete(workflowId);
      handle.result().then(ended, (error: Error) => {
        this.problems.push(`${workflowId}: ${error.message}`);
        ended();
      });
    } catch (error) {
      this.problems.push(`${workflowId} could not be started: ${(error as Error).message}`);
    }
  }

  async #each<T>(ids: string[], of: (workflowId: string) => Promise<T>): Promise<T[]> {
    const all: T[] = [];
    for (const some of chunks(ids, AT_ONCE)) all.push(...(await Promise.all(some.map(of))));
    return all;
  }
}
