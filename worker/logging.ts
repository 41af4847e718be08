/**
 * The log: JSON lines, ours and the Temporal SDK's alike. A line written while an activity runs carries the activity's
 * ids; a secret that was made known to the log appears in no line, wherever it came from.
 */
import { asyncLocalStorage } from '@temporalio/activity';
import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import type { LogLevelName } from './config.ts';

export type Logger = PinoLogger;

export interface WorkerLog {
  log: Logger;
  /** From now on these are replaced in every line. */
  hide(secrets: string[]): void;
  setLevel(level: LogLevelName): void;
}

export function createLogger(level: LogLevelName = 'info', destination?: DestinationStream): WorkerLog {
  const hidden = new Set<string>();
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
      messageKey: 'message',
      mixin: activityIds,
      redact: { paths: SECRET_FIELDS, censor: HIDDEN },
      hooks: { streamWrite: (line) => without(hidden, line) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  return {
    log,
    hide: (secrets) => secrets.flatMap(formsOf).forEach((form) => hidden.add(form)),
    setLevel: (next) => (log.level = next),
  };
}

/** The SDK's log lines (the worker's, the workflows', the activities' and those of its native core) through ours. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata) => {
    // Two lines an activity, which nearly nobody wants to read.
    if (!logger.isLevelEnabled(levels[level])) return;
    // The SDK collects its lines and writes them later, from wherever it happens to be. They bring their own ids.
    asyncLocalStorage.exit(() => logger[levels[level]](plain(meta), message));
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

const HIDDEN = '(hidden)';

const SECRET_FIELDS = ['apiKey', 'authorization', 'password', 'secret', 'token', 'clientCertPair'].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
]);

/** Shorter ones would make every line unreadable, and are no secrets worth the name. */
const SHORTEST_SECRET = 6;

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

function activityIds(): object {
  const info = asyncLocalStorage.getStore()?.info;
  if (info === undefined) return {};
  const { activityId, activityType, attempt, workflowExecution, workflowType } = info;
  const workflow = workflowExecution && {
    workflowId: workflowExecution.workflowId,
    workflowRunId: workflowExecution.runId,
    workflowType,
  };
  return { activityId, activityType, attempt, ...workflow };
}

/** As it is, as JSON writes it, and line by line, since a key of many lines is often seen in parts. */
function formsOf(secret: string): string[] {
  const lines = secret.split('\n').filter((line) => !line.startsWith('-----'));
  return [secret, ...lines]
    .map((form) => form.trim())
    .flatMap((form) => [form, JSON.stringify(form).slice(1, -1)])
    .filter((form) => form.length >= SHORTEST_SECRET);
}

function without(hidden: Set<string>, line: string): string {
  let clean = line;
  for (const secret of hidden) clean = clean.replaceAll(secret, HIDDEN);
  return clean;
}

/** The SDK's metadata without its own timestamp, a BigInt under a symbol, and the task's token, as long as useless. */
function plain(meta: LogMetadata = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(meta).filter(([name, value]) => typeof value !== 'bigint' && name !== 'taskToken'),
  );
}
