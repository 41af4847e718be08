/** Exports spans to a file, an OTLP endpoint or Langfuse, by the marks on each; unmarked spans are not exported. */
import { appendFile } from 'node:fs';
import { trace } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, hrTimeToMilliseconds } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
} from '@temporalio/interceptors-opentelemetry-v2';
import type { OpenTelemetrySinks } from '@temporalio/interceptors-opentelemetry-v2';
import type { ActivityInboundCallsInterceptor, InjectedSinks } from '@temporalio/worker';
import type { Context } from '@temporalio/activity';
import { attributesOf, MODE, SERVICE, type TraceMarks } from './marks.ts';
import { withTracedActivity } from './model-call.ts';

type Execute = NonNullable<ActivityInboundCallsInterceptor['execute']>;
type Mode = TraceMarks['mode'];

export interface TracingOptions {
  /** For `local`: a file with one span per line, as JSON. */
  file?: string;
  /** For `local` without a file: an OTLP-over-HTTP endpoint (default: OpenTelemetry's own variables and default). */
  otlpEndpoint?: string;
  /** For `cloud`. */
  langfuse?: { publicKey: string; secretKey: string; baseUrl?: string };
  /** Called when requested traces cannot be delivered. Work continues without them. */
  warn?: (message: string) => void;
}

export interface Exporting {
  activity(context: Context, marks: TraceMarks, ...call: Parameters<Execute>): Promise<unknown>;
  workflowSpans: InjectedSinks<OpenTelemetrySinks>['exporter']['export']['fn'];
  flush(): Promise<void>;
}

const FLUSH_MS = 5000;
const DEFAULT_SERVICE = 'temporal-elastic-workers';

export async function startExporting(options: TracingOptions): Promise<Exporting> {
  const processor = byMarks({ local: await toLocal(options), cloud: await toCloud(options) }, options);
  const provider = new NodeTracerProvider({ spanProcessors: [processor] });
  provider.register();
  const tracer = provider.getTracer('temporal-elastic-workers');
  const { fn } = makeWorkflowExporter(processor, resourceFor(DEFAULT_SERVICE)).export;
  return {
    activity(context, marks, input, next) {
      const temporals = new OpenTelemetryActivityInboundInterceptor(context, { tracer });
      return temporals.execute(input, (inner) => {
        trace.getActiveSpan()?.setAttributes(attributesOf(marks));
        return withTracedActivity({ marks, tracer }, () => next(inner));
      });
    },
    workflowSpans: fn,
    async flush() {
      const late = new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref());
      await Promise.race([processor.forceFlush().catch(() => undefined), late]);
    },
  };
}

async function toLocal({ file, otlpEndpoint, warn }: TracingOptions): Promise<SpanProcessor> {
  const url = otlpEndpoint === undefined ? {} : { url: `${otlpEndpoint.replace(/\/$/, '')}/v1/traces` };
  return new BatchSpanProcessor(file === undefined ? telling(new OTLPTraceExporter(url), warn) : toFile(file, warn));
}

async function toCloud({ langfuse }: TracingOptions): Promise<SpanProcessor | undefined> {
  if (langfuse === undefined) return undefined;
  const { LangfuseSpanProcessor } = await import('@langfuse/otel');
  // Exports all marked spans, so that the model call appears where it belongs. Media would be uploaded from prompts.
  return new LangfuseSpanProcessor({ ...langfuse, shouldExportSpan: () => true, mediaUploadEnabled: false });
}

function byMarks(processors: Record<Mode, SpanProcessor | undefined>, { warn }: TracingOptions): SpanProcessor {
  const all = Object.values(processors).filter((processor) => processor !== undefined);
  let warned = false;
  return {
    onStart: () => undefined,
    onEnd(span) {
      const mode = span.attributes[MODE] as Mode | undefined;
      if (mode === undefined) return;
      processors[mode]?.onEnd(presentable(span));
      if (processors[mode] === undefined && !warned) {
        warned = true;
        warn?.(
          'Traces for Langfuse were requested, but it is not configured: set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY.',
        );
      }
    },
    forceFlush: async () => void (await Promise.all(all.map((processor) => processor.forceFlush()))),
    shutdown: async () => void (await Promise.all(all.map((processor) => processor.shutdown()))),
  };
}

/** Uses the span's own service name, and leaves out what Temporal adds about the workflow: its memo may contain anything. */
function presentable(span: ReadableSpan): ReadableSpan {
  const service = String(span.attributes[SERVICE] ?? DEFAULT_SERVICE);
  const kept = Object.entries(span.attributes).filter(([name]) =>
    /^(gen_ai\.|langfuse\.|elastic_workers\.|temporal|run_?id$|workflow(Id|Type)$|taskQueue$|namespace$|attempt$)/i.test(
      name,
    ),
  );
  return Object.create(span, {
    resource: { value: resourceFor(service), enumerable: true },
    attributes: { value: Object.fromEntries(kept), enumerable: true },
  }) as ReadableSpan;
}

function resourceFor(service: string) {
  return resourceFromAttributes({ 'service.name': service });
}

function toFile(file: string, warn: TracingOptions['warn']): SpanExporter {
  return telling(
    {
      export(spans, done) {
        const lines = spans.map((span) => `${JSON.stringify(lineOf(span))}\n`).join('');
        appendFile(file, lines, (error) =>
          done(error ? { code: ExportResultCode.FAILED, error } : { code: ExportResultCode.SUCCESS }),
        );
      },
      shutdown: async () => undefined,
    },
    warn,
  );
}

function lineOf(span: ReadableSpan) {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    service: span.resource.attributes['service.name'],
    name: span.name,
    start: new Date(hrTimeToMilliseconds(span.startTime)).toISOString(),
    seconds: hrTimeToMilliseconds(span.duration) / 1000,
    status: span.status,
    attributes: span.attributes,
  };
}

/** Warns once that spans are lost, and again only after some were delivered. */
function telling(exporter: SpanExporter, warn: TracingOptions['warn']): SpanExporter {
  let failing = false;
  const told = (done: (result: ExportResult) => void) => (result: ExportResult) => {
    const failed = result.code === ExportResultCode.FAILED;
    if (failed && !failing) warn?.(`Cannot deliver traces: ${result.error?.message ?? 'no reason given'}.`);
    failing = failed;
    done(result);
  };
  return {
    export: (spans, done) => exporter.export(spans, told(done)),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
