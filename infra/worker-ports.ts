/** The ports on which a worker listens within its task, and conflicts with health checks and other containers. */
import { Token } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { WORKER_CONTAINER } from '../contract/sidecar.ts';
import { DEFAULT_PORTS } from '../contract/worker-environment.ts';
import type { PoolSettings } from './presets.ts';

const PORT = /^(off|\d{1,5})$/;
const HIGHEST_PORT = 65_535;
/** Requests to a path like this go to the worker: `http://127.0.0.1:8080/health/live`. */
const ASKED = /(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?\/health\b/g;

type Listening = Pick<PoolSettings, 'environment' | 'healthCheck' | 'protection'>;

/** Problems with the ports, and with a health check that uses another one. For another worker's image neither is known. */
export function problemsOfPorts(pool: Listening): string[] {
  if (pool.protection !== 'worker') return [];
  const problems = Object.entries(portsOf(pool)).flatMap(([name, port]) =>
    Token.isUnresolved(port) || (PORT.test(port) && !(Number(port) > HIGHEST_PORT))
      ? []
      : [`environment.${name} is "${port}"; write a port from 1 to ${HIGHEST_PORT}, 0 for any free one, or off`],
  );
  return problems.length > 0 ? problems : problemsOfCheck(pool);
}

/** Finds containers that others have added to the task and that listen on the worker's ports: a task's containers share one network. */
export function portConflicts(pool: Listening & { poolName: string }, definition: ecs.TaskDefinition): string[] {
  if (pool.protection !== 'worker') return [];
  const others = definition.node.children.filter(
    (child) => child instanceof ecs.ContainerDefinition && child.containerName !== WORKER_CONTAINER,
  ) as ecs.ContainerDefinition[];
  return others.flatMap(({ containerName, portMappings }) =>
    Object.entries(portsOf(pool))
      .filter(([, port]) => portMappings.some((mapping) => maps(mapping, Number(port))))
      .map(
        ([name, port]) =>
          `pool ${pool.poolName}: container ${containerName} and the worker both listen on port ${port}: set the pool's environment.${name} to another port, or to off`,
      ),
  );
}

function portsOf({ environment = {} }: Listening): Record<string, string> {
  return Object.fromEntries(
    Object.entries(DEFAULT_PORTS).map(([name, port]): [string, string] => [name, environment[name] ?? port]),
  );
}

function maps({ containerPort, containerPortRange, protocol }: ecs.PortMapping, port: number): boolean {
  if (protocol === ecs.Protocol.UDP) return false;
  const [from = containerPort, to = from] = containerPortRange?.split('-').map(Number) ?? [];
  return port > 0 && from <= port && port <= to;
}

function problemsOfCheck({ environment = {}, healthCheck }: Listening): string[] {
  const asked = [...(healthCheck?.command.join(' ') ?? '').matchAll(ASKED)];
  const { ELASTIC_WORKERS_HEALTH_PORT: port = DEFAULT_PORTS.ELASTIC_WORKERS_HEALTH_PORT } = environment;
  const { ELASTIC_WORKERS_BIND_ADDRESS: address = '0.0.0.0' } = environment;
  return asked.flatMap(([url, host = '', askedPort = '80']) => {
    const asks = `healthCheck requests ${url}, where the worker does not listen, so ECS would replace every task`;
    if (!Token.isUnresolved(port) && port !== askedPort) {
      const mend = /^(off|0)$/.test(port) ? `set it to ${askedPort}` : `use port ${port}, or set it to ${askedPort}`;
      return [`${asks}: environment.ELASTIC_WORKERS_HEALTH_PORT is ${port}; ${mend}`];
    }
    if (Token.isUnresolved(address) || isServed(host, address)) return [];
    return [`${asks}: environment.ELASTIC_WORKERS_BIND_ADDRESS is ${address}; remove it, or use that address`];
  });
}

/** Whether a server that listens on the address answers to that host within its own container. */
function isServed(host: string, address: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (address === '::' || bare === address) return true;
  if (address === '0.0.0.0' || address === '127.0.0.1') return !bare.includes(':');
  return address === '::1' && (bare === 'localhost' || bare === '::');
}
