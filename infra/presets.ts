/** The defaults, and the presets for development, staging and production. */
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { LONGEST_STOP_TIMEOUT_SECONDS } from '../contract/deployment.ts';
import { DEFAULT_SCALER_MEMORY, DEFAULT_TICK_SECONDS } from '../contract/invocation.ts';
import type { MetricSet } from '../contract/metrics.ts';
import type { Protection } from '../contract/protection.ts';
import { isPrivate } from './private-address.ts';
import type { ElasticWorkersProps, PoolTemporalProps, SlotsRange, TemporalProps, WorkerPoolProps } from './props.ts';

/** Settings that all pools of a stack share, with every default filled in. */
export interface Preset {
  minTasks: number;
  maxTasks: number;
  metrics: MetricSet;
  alarms: boolean;
  dashboard: boolean;
  tracing: boolean;
  logRetention: RetentionDays;
  tickSeconds: number;
  /** MiB. */
  scalerMemory: number;
  /** The model for pools with this package's worker; undefined if none is known to stay in the region's geography. */
  defaultModel?: string | undefined;
}

const NO_PRESET: Preset = {
  minTasks: 0,
  maxTasks: 10,
  metrics: 'essential',
  alarms: true,
  dashboard: true,
  tracing: false,
  logRetention: RetentionDays.ONE_MONTH,
  tickSeconds: DEFAULT_TICK_SECONDS,
  scalerMemory: DEFAULT_SCALER_MEMORY,
};

export const PRESETS: Record<NonNullable<ElasticWorkersProps['preset']>, Preset> = {
  /** No alarms, no idle tasks. */
  development: {
    ...NO_PRESET,
    maxTasks: 2,
    alarms: false,
    dashboard: false,
    logRetention: RetentionDays.ONE_WEEK,
  },
  /** Small and always running, so that tests meet a running fleet. */
  staging: { ...NO_PRESET, minTasks: 2, maxTasks: 3 },
  /** From zero to as much as is needed, with everything observable. */
  production: { ...NO_PRESET, metrics: 'full', tracing: true, logRetention: RetentionDays.THREE_MONTHS },
};

/**
 * Environment of the scaler's process. A small young generation for V8 and one malloc arena halve the memory with a thousand pools
 * (`npm run bench:scaler`).
 */
export const SCALER_ENVIRONMENT = {
  NODE_OPTIONS: '--enable-source-maps --max-semi-space-size=4',
  MALLOC_ARENA_MAX: '1',
};

/** By the beginning of a region's name: the inference profile of a small model that runs only in that geography. */
const MODELS: Record<string, string> = {
  'us-gov-': '',
  'us-': 'bedrock:us.amazon.nova-2-lite-v1:0',
  'eu-': 'bedrock:eu.amazon.nova-2-lite-v1:0',
  'ap-northeast-1': 'bedrock:jp.amazon.nova-2-lite-v1:0',
  'ap-northeast-3': 'bedrock:jp.amazon.nova-2-lite-v1:0',
};

export interface TemporalSettings extends TemporalProps {
  readonly namespace: string;
  readonly tls: boolean;
}

/** A pool's props with every default filled in. */
export interface PoolSettings extends Omit<WorkerPoolProps, 'protection'> {
  readonly slots: number | SlotsRange;
  readonly minTasks: number;
  readonly maxTasks: number;
  readonly cpu: number;
  readonly memory: number;
  readonly spot: boolean;
  readonly onDemandBase: number;
  readonly stopTimeoutSeconds: number;
  readonly drainSeconds: number;
  readonly protection: Protection;
}

export function presetOf({ preset, ...props }: Partial<ElasticWorkersProps>, region: string): Preset {
  const defaults = (preset && PRESETS[preset]) || NO_PRESET;
  return {
    ...defaults,
    alarms: props.alarms ?? defaults.alarms,
    dashboard: props.dashboard ?? defaults.dashboard,
    tracing: props.tracing ?? defaults.tracing,
    metrics: props.metrics ?? defaults.metrics,
    logRetention: props.logRetention ?? defaults.logRetention,
    tickSeconds: props.tickSeconds ?? defaults.tickSeconds,
    scalerMemory: props.scalerMemory ?? defaults.scalerMemory,
    defaultModel: modelIn(region),
  };
}

export function settingsOf(pool: WorkerPoolProps, preset: Preset): PoolSettings {
  const maxTasks = pool.maxTasks ?? preset.maxTasks;
  const minTasks = pool.minTasks ?? Math.min(preset.minTasks, maxTasks);
  const { image, entry, sidecar = image !== undefined && pool.protection !== 'worker' } = pool;
  const model = pool.model ?? (image || entry !== undefined ? undefined : preset.defaultModel);
  const stopTimeoutSeconds = pool.stopTimeoutSeconds ?? LONGEST_STOP_TIMEOUT_SECONDS;
  return {
    ...pool,
    slots: pool.slots ?? 20,
    minTasks,
    maxTasks,
    cpu: pool.cpu ?? 1024,
    memory: pool.memory ?? 2048,
    spot: pool.spot ?? false,
    onDemandBase: pool.onDemandBase ?? minTasks,
    stopTimeoutSeconds,
    // The rest of the stop timeout is for the shutdown itself; a short one is halved.
    drainSeconds: pool.drainSeconds ?? Math.max(stopTimeoutSeconds - 20, Math.floor(stopTimeoutSeconds / 2)),
    protection: sidecar ? 'sidecar' : 'worker',
    ...(model !== undefined && { model }),
  };
}

/** Undefined if the region is not known before deployment. */
function modelIn(region: string): string | undefined {
  const [, model] = Object.entries(MODELS).find(([start]) => region.startsWith(start)) ?? [];
  return model || undefined;
}

export function temporalOf(shared: TemporalProps, own: PoolTemporalProps = {}): TemporalSettings {
  const {
    address,
    namespace = 'default',
    tls,
    secret,
    scalerSecret,
    allowPlaintext,
  } = own.address === undefined || own.address === shared.address
    ? { ...shared, ...own, address: shared.address }
    : { namespace: shared.namespace, ...own, address: own.address };
  return {
    address,
    namespace,
    tls: tls ?? (secret !== undefined || scalerSecret !== undefined || !isPrivate(address)),
    ...(secret && { secret }),
    ...((scalerSecret ?? secret) && { scalerSecret: scalerSecret ?? secret }),
    ...(allowPlaintext && { allowPlaintext }),
  };
}
