/** The log: JSON lines, ours and the Temporal SDK's alike. */
import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export function createLogger(): Logger {
  return pino({
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
    messageKey: 'message',
  });
}

/** The SDK's log lines (the worker's, the workflows', the activities' and those of its native core) through ours. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata) =>
    logger[levels[level]](withoutTimestamp(meta), message);
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** The SDK's metadata as it is, but for its own timestamp: a BigInt under a symbol, of no use in JSON. */
function withoutTimestamp(meta: LogMetadata = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(meta).filter(([, value]) => typeof value !== 'bigint'));
}
