/** Runs a container's health check like ECS: a command at intervals, in the container's own environment. */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_PORTS } from '../../contract/worker-environment.ts';
import { freePorts } from '../process.ts';
import type { HealthCheck } from './definitions.ts';

export type HealthStatus = 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';

/**
 * On AWS each task has a network of its own. Here all share the machine's, where only one of many workers can have the configured
 * port. So a worker whose check uses that port gets a free one, and its check uses the same.
 */
export async function atPortOfItsOwn(healthCheck: HealthCheck | undefined, variables: Record<string, string>) {
  const { ELASTIC_WORKERS_HEALTH_PORT: port } = { ...DEFAULT_PORTS, ...variables };
  const asked = new RegExp(`:${port}(?=/health\\b)`, 'g');
  if (!healthCheck?.command.some((part) => part.search(asked) >= 0)) return { healthCheck, variables };
  const [own] = await freePorts(1);
  return {
    healthCheck: { ...healthCheck, command: healthCheck.command.map((part) => part.replace(asked, `:${own}`)) },
    variables: { ...variables, ELASTIC_WORKERS_HEALTH_PORT: String(own) },
  };
}

/** Checks until aborted. Failures within the start period do not count, unless the container was healthy before. */
export async function watchHealth(
  { command, interval, timeout, retries, startPeriod }: HealthCheck,
  surroundings: { cwd: string; env: Record<string, string> },
  signal: AbortSignal,
  onStatus: (status: HealthStatus) => void,
): Promise<void> {
  const [kind, ...rest] = command;
  const line = kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...rest] : kind === 'CMD' ? rest : command;
  let status: HealthStatus = 'UNKNOWN';
  let failures = 0;
  for (let waited = 0; !signal.aborted; waited += interval) {
    await delay(interval * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const passed = await passes(line, { ...surroundings, timeout: timeout * 1000, signal });
    const counts = status === 'HEALTHY' || waited + interval > startPeriod;
    failures = passed ? 0 : failures + (counts ? 1 : 0);
    const next: HealthStatus = passed ? 'HEALTHY' : failures >= retries ? 'UNHEALTHY' : status;
    if (next !== status && !signal.aborted) onStatus((status = next));
  }
}

function passes([file = '', ...args]: string[], options: Parameters<typeof execFile>[2]): Promise<boolean> {
  return new Promise((resolve) => execFile(file, args, options ?? {}, (error) => resolve(error === null)));
}
