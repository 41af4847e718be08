/**
 * The log: JSON lines, ours and the Temporal SDK's alike. A line written while an activity runs contains the activity's ids. Secrets
 * that the log knows are removed from every line, wherever it came from, and each entry stays on one line and within the size of a
 * log event, whoever wrote its text.
 */
import { asyncLocalStorage } from '@temporalio/activity';
import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import { type DestinationStream, pino } from 'pino';
import { HIDDEN, hide, shown, withoutSecrets } from '../../contract/shown.ts';
import type { LogLevelName } from '../../contract/worker-environment.ts';

/** The part of pino's logger that is used. */
export interface Logger {
  trace: Write;
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
  fatal: Write;
  isLevelEnabled(level: string): boolean;
  child(fields: object): Logger;
}

type Write = {
  (message: string): void;
  (fields: object, message?: string): void;
};

export interface WorkerLog {
  log: Logger;
  /** From now on these are replaced in every line. */
  hide(secrets: string[]): void;
  setLevel(level: LogLevelName): void;
}

export function createLogger(level: LogLevelName = 'info', destination?: DestinationStream): WorkerLog {
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
      hooks: { streamWrite: (line) => shown(short(line)) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
  return {
    log,
    hide,
    setLevel: (next) => (log.level = next),
  };
}

/** The SDK's log lines (the worker's, the workflows', the activities' and those of its native core) through ours. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata) => {
    // Two lines per activity, which hardly anyone wants to read.
    if (!logger.isLevelEnabled(levels[level])) return;
    // The SDK collects its lines and writes them later, from whatever context it is in. They have their own ids.
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

const SECRET_FIELDS = ['apiKey', 'authorization', 'password', 'secret', 'token', 'clientCertPair'].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
]);

/** CloudWatch splits a longer event, and neither half is JSON. */
const LONGEST_LINE = 200_000;
const LONGEST_TEXT = 2000;
const LONGEST_LIST = 50;

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

/** Shortens entries that are too long: an activity's error can have any length. */
function short(line: string): string {
  if (line.length <= LONGEST_LINE) return line;
  const cut = (_: string, value: unknown) => {
    if (typeof value === 'string' && value.length > LONGEST_TEXT) return `${value.slice(0, LONGEST_TEXT)} … (cut)`;
    return Array.isArray(value) ? value.slice(0, LONGEST_LIST) : value;
  };
  const clean = `${JSON.stringify(JSON.parse(withoutSecrets(line)), cut)}\n`;
  return clean.length <= LONGEST_LINE
    ? clean
    : `${JSON.stringify({ ...headOf(line), message: 'This line was too long to log' })}\n`;
}

function headOf(line: string): object {
  const { level, time } = JSON.parse(line) as Record<string, unknown>;
  return { level, time };
}

/** The SDK's metadata without its own timestamp (a BigInt under a symbol) and the task token, which is long and useless. */
function plain(meta: LogMetadata = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(meta).filter(([name, value]) => typeof value !== 'bigint' && name !== 'taskToken'),
  );
}
