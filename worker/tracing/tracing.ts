/**
 * Tracing in the worker's process, for activities and workflow spans that are marked for it (see marks.ts). Its packages are loaded
 * with the first of them, so that a worker without traces starts no slower and works as if there were no tracing.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import type { OpenTelemetrySinks } from '@temporalio/interceptors-opentelemetry-v2';
import { EXECUTE_STRATEGY_DIRECTLY, type ProcessorConfig } from '../strategies/types.ts';
import type { Exporting, TracingOptions } from './exporting.ts';
import { MARKS_HEADER, marksOf, type TraceMarks } from './marks.ts';

export interface Tracing {
  activity: ActivityInterceptorsFactory;
  sinks: InjectedSinks<OpenTelemetrySinks>;
  flush(): Promise<void>;
}

export function createTracing(options: TracingOptions = {}): Tracing {
  let exporting: Promise<Exporting> | undefined;
  const started = () => (exporting ??= import('./exporting.ts').then(({ startExporting }) => startExporting(options)));
  return {
    activity: (context) => ({
      inbound: {
        async execute(input, next) {
          const header = input.headers[MARKS_HEADER];
          const marks =
            header === undefined
              ? context.info.activityType === EXECUTE_STRATEGY_DIRECTLY && marksOf(input.args[2] as ProcessorConfig)
              : defaultPayloadConverter.fromPayload<TraceMarks>(header);
          return marks ? (await started()).activity(context, marks, input, next) : next(input);
        },
      },
    }),
    sinks: { exporter: { export: { fn: async (info, spans) => (await started()).workflowSpans(info, spans) } } },
    flush: async () => (await exporting)?.flush(),
  };
}
