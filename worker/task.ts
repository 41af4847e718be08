/**
 * The ECS task this worker is: its id, and the switch of its scale-in protection at the agent's endpoint. Outside ECS a
 * worker is known by its host and process instead.
 */
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';

/** The task's id: the last part of its ARN. It is the worker's Temporal identity, so heartbeats and tasks match exactly. */
export async function taskIdentity(metadataUri: string | undefined, signal?: AbortSignal): Promise<string> {
  if (metadataUri === undefined) return `${process.pid}@${hostname()}`;
  const arn = await withRetries(() => readTaskArn(metadataUri), signal);
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/**
 * `refused`: ECS will not protect this task any more, it is being stopped. `failed`: no answer or an error, which may
 * pass; the state of the protection is then as before.
 */
export type ProtectionAnswer = { outcome: 'done' } | { outcome: 'refused' | 'failed'; why: string };

export interface TaskProtection {
  protect(minutes: number): Promise<ProtectionAnswer>;
  lift(): Promise<ProtectionAnswer>;
}

/** No retries in here: whoever asks does so again in its own time, so that a fleet does not press on a throttling ECS. */
export function taskProtection(agentUri: string): TaskProtection {
  const put = async (state: object): Promise<ProtectionAnswer> => {
    try {
      const response = await fetch(`${agentUri}/task-protection/v1/state`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(state),
        signal: AbortSignal.timeout(AGENT_TIMEOUT_MS),
      });
      return answerFrom(response.status, (await response.json()) as AgentAnswer);
    } catch (error) {
      return { outcome: 'failed', why: reason(error) };
    }
  };
  return {
    protect: (minutes) => put({ ProtectionEnabled: true, ExpiresInMinutes: minutes }),
    lift: () => put({ ProtectionEnabled: false }),
  };
}

/** The agent itself gives up on ECS after a few seconds; this is for an agent that hangs. */
const AGENT_TIMEOUT_MS = 10_000;

/**
 * One of the three is set. Source: ECS developer guide, "Task scale-in protection endpoint".
 */
interface AgentAnswer {
  protection?: { ProtectionEnabled: boolean; ExpirationDate?: string };
  failure?: { Reason?: string; Detail?: string };
  error?: { Code?: string; Message?: string };
}

/** Why ECS will never protect the task: it is stopping or gone, or it is not a service's. Everything else may pass. */
const FINAL_REASONS = new Set(['TASK_NOT_VALID', 'MISSING']);

function answerFrom(status: number, { protection, failure, error }: AgentAnswer): ProtectionAnswer {
  if (protection !== undefined) return { outcome: 'done' };
  if (failure !== undefined) {
    const why = [failure.Reason, failure.Detail].filter(Boolean).join(': ');
    return { outcome: FINAL_REASONS.has(failure.Reason ?? '') ? 'refused' : 'failed', why };
  }
  return { outcome: 'failed', why: [`HTTP ${status}`, error?.Code, error?.Message].filter(Boolean).join(': ') };
}

async function readTaskArn(metadataUri: string): Promise<string> {
  const response = await fetch(`${metadataUri}/task`, { signal: AbortSignal.timeout(AGENT_TIMEOUT_MS) });
  const { TaskARN: arn } = (await response.json()) as { TaskARN?: string };
  if (!response.ok || typeof arn !== 'string' || arn === '') {
    throw new Error(`HTTP ${response.status} without a TaskARN`);
  }
  return arn;
}

async function withRetries<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const pauseMs of [200, 400, 800, 1600, undefined]) {
    try {
      return await attempt();
    } catch (error) {
      if (pauseMs === undefined) {
        throw new Error(
          `The ECS metadata endpoint (ECS_CONTAINER_METADATA_URI_V4) does not tell who this task is: ${reason(error)}.`,
          { cause: error },
        );
      }
      await wait(pauseMs, undefined, { ...(signal && { signal }) });
    }
  }
  throw new Error('unreachable');
}

/** `fetch` hides what went wrong in the cause. */
function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
