/** The settings of a trace, which travel with a workflow's activities and are attached to each span until it is exported. */
import type { Attributes } from '@opentelemetry/api';
import type { ProcessorConfig } from '../strategies/types.ts';

export interface TraceMarks {
  mode: 'local' | 'cloud';
  serviceName?: string;
  content: boolean;
}

/** The activity header with the marks. */
export const MARKS_HEADER = 'elastic-workers-trace';

export const MODE = 'elastic_workers.langfuse_mode';
export const SERVICE = 'elastic_workers.service_name';

export function marksOf(config: ProcessorConfig | null | undefined): TraceMarks | undefined {
  const { langfuseMode: mode, serviceName, traceContent } = config ?? {};
  if (mode !== 'local' && mode !== 'cloud') return undefined;
  return { mode, content: traceContent === true, ...(typeof serviceName === 'string' && { serviceName }) };
}

export function attributesOf({ mode, serviceName }: TraceMarks): Attributes {
  return { [MODE]: mode, ...(serviceName !== undefined && { [SERVICE]: serviceName }) };
}
