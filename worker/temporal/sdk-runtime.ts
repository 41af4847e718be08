/** The SDK's runtime, which all Workers of a process share, and the metrics that it serves. */
import { Runtime } from '@temporalio/worker';
import { temporalLogger } from '../observability/logging.ts';
import type { WorkerManagerOptions } from './manager-options.ts';

let runtimeInstalled = false;

/** The SDK's runtime is one per process. It must not act on signals by itself: stopping is up to the manager. */
export function installRuntime({ heartbeatSeconds, log, sdkMetricsAddress }: WorkerManagerOptions): void {
  if (runtimeInstalled) return;
  runtimeInstalled = true;
  const core = log.isLevelEnabled('trace') ? 'DEBUG' : 'WARN';
  Runtime.install({
    logger: temporalLogger(log),
    telemetryOptions: {
      logging: { filter: { core, other: 'ERROR' }, forward: {} },
      ...(sdkMetricsAddress !== undefined && {
        metrics: { prometheus: { bindAddress: sdkMetricsAddress, useSecondsForDurations: true } },
      }),
    },
    workerHeartbeatInterval: heartbeatSeconds * 1000,
    shutdownSignals: [],
  });
}

/** Returns nothing instead of an error: our own metrics are useful without the SDK's. */
export async function sdkMetrics(address: string | undefined): Promise<string> {
  if (address === undefined) return '';
  try {
    const response = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(2000) });
    return response.ok ? await response.text() : '';
  } catch {
    return '';
  }
}
