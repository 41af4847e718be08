/** Temporal's interceptors for one workflow, with the marks set on each of their spans. */
import { trace } from '@opentelemetry/api';
import {
  OpenTelemetryInboundInterceptor,
  OpenTelemetryInternalsInterceptor,
  OpenTelemetryOutboundInterceptor,
} from '@temporalio/interceptors-opentelemetry-v2/lib/workflow/index.js';
import {
  defaultPayloadConverter,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInternalsInterceptor,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { attributesOf, MARKS_HEADER, type TraceMarks } from './marks.ts';

export type Traced = Required<
  Pick<WorkflowInboundCallsInterceptor, 'execute'> &
    Pick<WorkflowOutboundCallsInterceptor, 'scheduleActivity' | 'startChildWorkflowExecution' | 'continueAsNew'> &
    Pick<WorkflowInternalsInterceptor, 'dispose'>
>;

export function tracedWorkflow(marks: TraceMarks): Traced {
  const inbound = new OpenTelemetryInboundInterceptor();
  const outbound = new OpenTelemetryOutboundInterceptor();
  const internals = new OpenTelemetryInternalsInterceptor();
  const header = { [MARKS_HEADER]: defaultPayloadConverter.toPayload(marks)! };
  const marked =
    <Input, Output>(next: (input: Input) => Output) =>
    (input: Input): Output => {
      trace.getActiveSpan()?.setAttributes(attributesOf(marks));
      return next(input);
    };
  return {
    execute: (input, next) => inbound.execute(input, marked(next)),
    scheduleActivity: (input, next) =>
      outbound.scheduleActivity({ ...input, headers: { ...input.headers, ...header } }, marked(next)),
    startChildWorkflowExecution: (input, next) => outbound.startChildWorkflowExecution(input, marked(next)),
    continueAsNew: (input, next) => outbound.continueAsNew(input, marked(next)),
    dispose: (input, next) => void internals.dispose(input, next),
  };
}
