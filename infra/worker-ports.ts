/** The ports at which a worker listens within its task, and who else asks or listens there. */
import { Token } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { PoolSettings } from './presets.ts';

/** As the worker has them where nobody says otherwise. */
const DEFAULT_PORTS = { ELASTIC_WORKERS_HEALTH_PORT: '8080', ELASTIC_WORKERS_METRICS_PORT: '8000' };
const PORT = /^(off|\d{1,5})$/;
const HIGHEST_PORT = 65_535;
/** Who asks a path of this name, asks the worker: `http://127.0.0.1:8080/health/live`. */
const ASKED = /(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?\/health\b/g;

type Listening = Pick<PoolSettings, 'environment' | 'healthCheck' | 'protection'>;

/** What is wrong with the ports, and with a health check that asks elsewhere. Of another image we know neither. */
export function problemsOfPorts(pool: Listening): string[] {
  if (pool.protection !== 'worker') return [];
  const problems = Object.entries(portsOf(pool)).flatMap(([name, port]) =>
    Token.isUnresolved(port) || (PORT.test(port) && !(Number(port) > HIGHEST_PORT))
      ? []
      : [`environment.${name} is "${port}"; write a port from 1 to ${HIGHEST_PORT}, 0 for any free one, or off`],
  );
  return problems.length > 0 ? problems : problemsOfCheck(pool);
}

/** Containers that others have put into the task, and that listen where the worker does: all of a task share one network. */
export function portConflicts(pool: Listening & { poolName: string }, definition: ecs.TaskDefinition): string[] {
  if (pool.protection !== 'worker') return [];
  const others = definition.node.children.filter(
    (child) => child instanceof ecs.ContainerDefinition && child.containerName !== 'worker',
  ) as ecs.ContainerDefinition[];
  return others.flatMap(({ containerName, portMappings }) =>
    Object.entries(portsOf(pool))
      .filter(([, port]) => portMappings.some((mapping) => maps(mapping, Number(port))))
      .map(
        ([name, port]) =>
          `pool ${pool.poolName}: container ${containerName} listens at port ${port}, and so does the worker: set the pool's environment.${name} to another port, or to off`,
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
    const asks = `healthCheck asks ${url}, where the worker does not listen, and ECS would replace each task`;
    if (!Token.isUnresolved(port) && port !== askedPort) {
      const mend = /^(off|0)$/.test(port) ? `set it to ${askedPort}` : `ask port ${port}, or set it to ${askedPort}`;
      return [`${asks}: environment.ELASTIC_WORKERS_HEALTH_PORT is ${port}; ${mend}`];
    }
    if (Token.isUnresolved(address) || isServed(host, address)) return [];
    return [`${asks}: environment.ELASTIC_WORKERS_BIND_ADDRESS is ${address}; remove it, or ask there`];
  });
}

/** Whether who listens at the address answers within its own container under that host. */
function isServed(host: string, address: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  if (address === '::' || bare === address) return true;
  if (address === '0.0.0.0' || address === '127.0.0.1') return !bare.includes(':');
  return address === '::1' && (bare === 'localhost' || bare === '::');
}
