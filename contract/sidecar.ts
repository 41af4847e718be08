/** How to run the sidecar, wherever that is: `protect` before the worker's container starts, `follow` beside it. */

/** The worker's container in the task definition, which the sidecar looks for. */
export const WORKER_CONTAINER = 'worker';

/** What the construct tells it. The sidecar reads these without a schema: memory matters here. */
export interface SidecarVariables {
  ELASTIC_WORKERS_POOL: string;
  ELASTIC_WORKERS_STATE_TABLE: string;
  ELASTIC_WORKERS_TASK_ROLE_ID: string;
  /** The worker's container, by name. */
  ELASTIC_WORKERS_CONTAINER: string;
}

export function sidecarEnvironment(values: SidecarVariables): Record<string, string> {
  return { ...values };
}

/**
 * Node without its compilers and with the smallest heap that is enough: memory matters here, and there is hardly anything to
 * compute (`npm run bench:sidecar`).
 */
export const SIDECAR_NODE_FLAGS = [
  '--lite-mode',
  '--max-old-space-size=24',
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
];

export function sidecarCommand(command: 'protect' | 'follow'): string[] {
  return ['node', ...SIDECAR_NODE_FLAGS, 'main.js', command];
}
