import { createServer, type AddressInfo } from 'node:net';
import { Counter, Registry } from 'prom-client';
import { serveEndpoints, type Endpoints } from '../../worker/observability/endpoints.ts';
import { NO_TASKS } from '../../worker/observability/measurements.ts';
import type { Health, MetricsSnapshot, Workforce } from '../../worker/workforce.ts';

let health: Health = { healthy: true };
let counts = NO_TASKS;
let snapshots: MetricsSnapshot[] = [];
const warnings: unknown[] = [];
const open: Endpoints[] = [];

const workforce = {
  get health() {
    return health;
  },
  get counts() {
    return counts;
  },
  metrics: async () => snapshots,
} as Workforce;

afterEach(() => Promise.all(open.splice(0).map((endpoints) => endpoints.close())));

async function serve(ports: { healthPort?: number; metricsPort?: number } = { healthPort: 0, metricsPort: 0 }) {
  const endpoints = await serveEndpoints({
    workforce,
    host: '127.0.0.1',
    healthPort: ports.healthPort,
    metricsPort: ports.metricsPort,
    log: { warn: (about: unknown) => warnings.push(about) } as never,
  });
  open.push(endpoints);
  return endpoints.ports;
}

async function get(port: number | undefined, path: string, accept = '*/*') {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { accept } });
  return { status: response.status, text: await response.text() };
}

async function snapshot(process: string, tasks: number, sdk: string): Promise<MetricsSnapshot> {
  const registry = new Registry();
  new Counter({ name: 'tasks_processed_total', help: 'h', registers: [registry] }).inc(tasks);
  return { process, ours: await registry.getMetricsAsJSON(), sdk };
}

describe('the endpoints', () => {
  it.each<[string, Health, number, number]>([
    ['takes work', { healthy: true }, 200, 200],
    ['is not connected', { healthy: false, reason: 'not connected', detail: 'x' }, 503, 200],
    ['is not polling', { healthy: false, reason: 'not polling', detail: 'x' }, 503, 200],
    ['is draining', { healthy: false, reason: 'draining', detail: 'x' }, 503, 200],
  ])('report a worker that %s, and ask for a restart only if that helps', async (_, now, ready, live) => {
    health = now;
    const ports = await serve();
    const answer = await get(ports.health, '/health');
    expect([answer.status, JSON.parse(answer.text)]).toEqual([ready, now]);
    expect((await get(ports.health, '/health/live')).status).toBe(live);
  });

  it('return metrics as JSON or in Prometheus format, as requested', async () => {
    const ports = await serve();
    counts = NO_TASKS;
    expect(JSON.parse((await get(ports.health, '/metrics')).text)).toEqual({
      tasks_processed: 0,
      average_task_duration: null,
      error_rate: null,
    });
    counts = { tasksProcessed: 4, tasksFailed: 1, taskSeconds: 6 };
    expect(JSON.parse((await get(ports.health, '/metrics', 'application/json')).text)).toEqual({
      tasks_processed: 4,
      average_task_duration: 1.5,
      error_rate: 0.25,
    });
    snapshots = [await snapshot('one', 4, '')];
    expect((await get(ports.health, '/metrics', 'text/plain;version=0.0.4')).text).toContain('tasks_processed_total 4');
    expect((await get(ports.metrics, '/metrics')).text).toContain('tasks_processed_total 4');
  });

  it('add up a pool’s processes, and label the SDK’s series by process', async () => {
    const sdk = (polls: number) =>
      `# HELP temporal_polls p\n# TYPE temporal_polls gauge\ntemporal_polls{a="b"} ${polls}\n`;
    snapshots = [await snapshot('t#1', 4, sdk(1)), await snapshot('t#2', 3, sdk(2))];
    const { text } = await get((await serve()).metrics, '/metrics');
    expect(text).toContain('tasks_processed_total 7');
    expect(text).toContain(
      '# HELP temporal_polls p\n# TYPE temporal_polls gauge\n' +
        'temporal_polls{a="b",process="t#1"} 1\ntemporal_polls{a="b",process="t#2"} 2\n',
    );
  });

  it('use another port if theirs is in use, and log it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port: taken } = other.address() as AddressInfo;
    health = { healthy: true };
    const ports = await serve({ healthPort: taken });
    expect(ports.health).not.toBe(taken);
    expect(ports.metrics).toBeUndefined();
    expect((await get(ports.health, '/health')).status).toBe(200);
    expect(warnings).toEqual([{ wanted: taken, used: ports.health }]);
    await new Promise((resolve) => other.close(resolve));
  });
});
