/** A span for each model call, following OpenTelemetry's conventions for generative AI, which Langfuse reads. */
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import { context, createContextKey, type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { attributesOf, type TraceMarks } from './marks.ts';

interface TracedActivity {
  marks: TraceMarks;
  tracer: Tracer;
}

/** The context key set while a traced activity runs; not global, because a process may have more than one worker. */
const TRACED_ACTIVITY = createContextKey('elastic-workers traced activity');

export function withTracedActivity<T>(activity: TracedActivity, work: () => T): T {
  return context.with(context.active().setValue(TRACED_ACTIVITY, activity), work);
}

export async function tracedModelCall(
  modelId: string,
  call: LanguageModelV4CallOptions,
  work: () => Promise<LanguageModelV4GenerateResult>,
): Promise<LanguageModelV4GenerateResult> {
  const activity = context.active().getValue(TRACED_ACTIVITY) as TracedActivity | undefined;
  if (activity === undefined) return work();
  const { marks, tracer } = activity;
  const [provider = '', ...name] = modelId.split(':');
  const attributes = {
    ...attributesOf(marks),
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': provider,
    'gen_ai.request.model': name.join(':'),
    ...(marks.content && { 'langfuse.observation.input': JSON.stringify(call.prompt) }),
  };
  return tracer.startActiveSpan(`chat ${modelId}`, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    try {
      const result = await work();
      span.setAttributes(figuresOf(result, marks));
      return result;
    } catch (error) {
      span.setStatus(failed(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

function figuresOf({ usage, finishReason, content }: LanguageModelV4GenerateResult, marks: TraceMarks) {
  const figures: Parameters<Span['setAttributes']>[0] = { 'gen_ai.response.finish_reasons': [finishReason.unified] };
  // Figures that a provider does not report are left out: unknown is not zero.
  if (usage.inputTokens.total !== undefined) figures['gen_ai.usage.input_tokens'] = usage.inputTokens.total;
  if (usage.outputTokens.total !== undefined) figures['gen_ai.usage.output_tokens'] = usage.outputTokens.total;
  if (marks.content) figures['langfuse.observation.output'] = JSON.stringify(content);
  return figures;
}

function failed(error: unknown) {
  return { code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : 'failed' };
}
