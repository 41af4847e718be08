/** Reads the sidecar's settings from its environment; reports all problems at once. */
import { WORKER_CONTAINER, type SidecarVariables } from '../contract/sidecar.ts';
import { CORDON_POLL_SECONDS, SCALER_GONE_SECONDS } from '../contract/state-table.ts';
import type { WorkerVariables } from '../contract/worker-environment.ts';

export interface SidecarConfig {
  pool: string;
  stateTable: string;
  taskRoleId: string;
  agentUri: string;
  metadataUri: string;
  /** The worker's container, by its name in the task definition. */
  container: string;
  /** Where procfs is mounted. */
  proc: string;
  pollSeconds: number;
  scalerGoneSeconds: number;
  /** How often a worker that does not end is reported. */
  remindSeconds: number;
}

type Environment = Record<string, string | undefined>;

/** Some are the worker's too. */
type Name = keyof SidecarVariables | keyof WorkerVariables | 'ELASTIC_WORKERS_REMIND_SECONDS' | 'HOST_PROC';

export class SidecarConfigError extends Error {
  override readonly name = 'SidecarConfigError';
}

/** Throws SidecarConfigError with everything that is missing or not valid. */
export function readConfig(env: Environment): SidecarConfig {
  const problems: string[] = [];
  const text = (name: Name, setBy: string, fallback?: string) => {
    const value = env[name] || fallback;
    if (value === undefined) problems.push(`${name} is not set; ${setBy}`);
    return value ?? '';
  };
  const seconds = (name: Name, fallback: number) => {
    const value = Number(env[name] || fallback);
    if (!(value >= 0.1 && value <= 86_400))
      problems.push(`${name} is ${JSON.stringify(env[name])}; give seconds, 0.1 to 86400`);
    return value;
  };
  const byConstruct = 'the construct sets it: `sidecar: true`';
  const byEcs = 'ECS sets it: the sidecar runs as a container of an ECS task';
  const config = {
    pool: text('ELASTIC_WORKERS_POOL', byConstruct),
    stateTable: text('ELASTIC_WORKERS_STATE_TABLE', byConstruct),
    taskRoleId: text('ELASTIC_WORKERS_TASK_ROLE_ID', byConstruct),
    agentUri: text('ECS_AGENT_URI', byEcs),
    metadataUri: text('ECS_CONTAINER_METADATA_URI_V4', byEcs),
    container: text('ELASTIC_WORKERS_CONTAINER', byConstruct, WORKER_CONTAINER),
    proc: text('HOST_PROC', byConstruct, '/proc'),
    pollSeconds: seconds('ELASTIC_WORKERS_CORDON_POLL_SECONDS', CORDON_POLL_SECONDS),
    scalerGoneSeconds: seconds('ELASTIC_WORKERS_SCALER_GONE_SECONDS', SCALER_GONE_SECONDS),
    remindSeconds: seconds('ELASTIC_WORKERS_REMIND_SECONDS', 60),
  };
  if (problems.length > 0) throw new SidecarConfigError(problems.join('\n'));
  return config;
}
