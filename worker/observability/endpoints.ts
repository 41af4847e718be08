/**
 * The worker's HTTP endpoints.
 *
 *   health port   /health        200 while it takes work; 503 with the reason otherwise
 *                 /health/live   200 as long as the process answers: a worker that drains, or whose Temporal is down, still
 *                                has running work. An activity that blocks the event loop keeps it from answering
 *                 /metrics       plain figures as JSON, or Prometheus text, by Accept
 *   metrics port  /metrics       Prometheus text, ours and the SDK's
 *
 * Work does not depend on them: if a port is in use, that is logged and a free one is used instead.
 */
import { createServer, type AddressInfo } from 'node:net';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from './logging.ts';
import { figuresOf } from './measurements.ts';
import type { Workforce } from '../workforce.ts';

interface EndpointsOptions {
  workforce: Workforce;
  host: string;
  /** Undefined: not served. 0: any free port. */
  healthPort: number | undefined;
  metricsPort: number | undefined;
  log: Pick<Logger, 'warn'>;
}

export interface Endpoints {
  /** The ports actually in use. */
  ports: { health?: number; metrics?: number };
  close(): Promise<void>;
}

export async function serveEndpoints(options: EndpointsOptions): Promise<Endpoints> {
  const { healthPort, metricsPort, workforce } = options;
  // Loaded on demand: it takes longer than it takes the worker to poll.
  const { fastify } = await import('fastify');
  const health = healthPort === undefined ? undefined : healthServer(fastify(), workforce);
  const metrics = metricsPort === undefined ? undefined : metricsServer(fastify(), workforce);
  const servers = [health, metrics].filter((server) => server !== undefined);
  const ports = {
    ...(health && { health: await listen(health, healthPort!, 'HEALTH', options) }),
    ...(metrics && { metrics: await listen(metrics, metricsPort!, 'METRICS', options) }),
  };
  return { ports, close: async () => void (await Promise.all(servers.map((server) => server.close()))) };
}

/** A port that is free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function healthServer(server: FastifyInstance, workforce: Workforce): FastifyInstance {
  server.get('/health', (_, reply) => {
    const { health } = workforce;
    return reply.code(health.healthy ? 200 : 503).send(health);
  });
  server.get('/health/live', (_, reply) => reply.send(workforce.health));
  server.get('/metrics', async ({ headers }, reply) => {
    if (/text\/plain|openmetrics/.test(headers.accept ?? '')) return sendPrometheus(reply, workforce);
    return reply.send(figuresOf(workforce.counts));
  });
  return server;
}

function metricsServer(server: FastifyInstance, workforce: Workforce): FastifyInstance {
  server.get('/metrics', (_, reply) => sendPrometheus(reply, workforce));
  return server;
}

async function sendPrometheus(reply: FastifyReply, workforce: Workforce): Promise<FastifyReply> {
  const { PROMETHEUS_TYPE, prometheusText } = await import('./prometheus.ts');
  return reply.type(PROMETHEUS_TYPE).send(await prometheusText(await workforce.metrics()));
}

async function listen(
  server: FastifyInstance,
  port: number,
  name: string,
  { host, log }: EndpointsOptions,
): Promise<number> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    if (!['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await server.listen({ host, port: 0 });
    const used = (server.server.address() as AddressInfo).port;
    log.warn(
      { wanted: port, used },
      `The port is in use, so another was chosen: set ELASTIC_WORKERS_${name}_PORT to choose one`,
    );
  }
  return (server.server.address() as AddressInfo).port;
}
