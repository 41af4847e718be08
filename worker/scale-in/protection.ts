/** Controls the scale-in protection of the worker's own task, at the endpoint of the ECS agent. */

/**
 * `refused`: ECS will no longer protect this task, because it is being stopped. `blocked`: not while protected tasks of an older
 * deployment are working, which may take hours. `failed`: no answer or an error, which may be temporary; the protection is then
 * unchanged.
 */
export type ProtectionAnswer = { outcome: 'done' } | { outcome: 'refused' | 'blocked' | 'failed'; why: string };

export interface TaskProtection {
  protect(minutes: number): Promise<ProtectionAnswer>;
  lift(): Promise<ProtectionAnswer>;
}

/** Sends a JSON body with PUT, and returns the answer's status and text. */
export type PutJson = (url: string, body: string, timeoutMs: number) => Promise<{ status: number; text: string }>;

/** No retries here: callers retry at their own pace, so that a fleet does not overload a throttling ECS. */
export function taskProtection(agentUri: string, putJson: PutJson = putByFetch): TaskProtection {
  const put = async (state: object): Promise<ProtectionAnswer> => {
    try {
      const url = `${agentUri}/task-protection/v1/state`;
      const { status, text } = await putJson(url, JSON.stringify(state), AGENT_TIMEOUT_MS);
      return answerFrom(status, JSON.parse(text) as AgentAnswer);
    } catch (error) {
      return { outcome: 'failed', why: reason(error) };
    }
  };
  return {
    protect: (minutes) => put({ ProtectionEnabled: true, ExpiresInMinutes: minutes }),
    lift: () => put({ ProtectionEnabled: false }),
  };
}

async function putByFetch(url: string, body: string, timeoutMs: number) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'PUT', headers, body, signal: AbortSignal.timeout(timeoutMs) });
  return { status: response.status, text: await response.text() };
}

/** The agent itself gives up on ECS after a few seconds; this limit is for an agent that hangs. */
export const AGENT_TIMEOUT_MS = 10_000;

/**
 * One of the three is set. Source: ECS developer guide, "Task scale-in protection endpoint".
 */
interface AgentAnswer {
  protection?: { ProtectionEnabled: boolean; ExpirationDate?: string };
  failure?: { Reason?: string; Detail?: string };
  error?: { Code?: string; Message?: string };
}

/** Reasons why ECS will never protect the task: it is stopping or gone, or belongs to no service. All others may be temporary. */
const FINAL_REASONS = new Set(['TASK_NOT_VALID', 'MISSING']);

function answerFrom(status: number, { protection, failure, error }: AgentAnswer): ProtectionAnswer {
  if (protection !== undefined) return { outcome: 'done' };
  if (failure !== undefined) {
    const why = [failure.Reason, failure.Detail].filter(Boolean).join(': ');
    if (failure.Reason === 'DEPLOYMENT_BLOCKED') return { outcome: 'blocked', why };
    return { outcome: FINAL_REASONS.has(failure.Reason ?? '') ? 'refused' : 'failed', why };
  }
  return { outcome: 'failed', why: [`HTTP ${status}`, error?.Code, error?.Message].filter(Boolean).join(': ') };
}

/** `fetch` hides the actual error in the cause. */
export function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
