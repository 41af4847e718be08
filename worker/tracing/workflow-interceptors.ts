/**
 * Tracing in the workflow sandbox: Temporal's own interceptors, for workflows that request a trace with their processorConfig, which
 * is the third argument of each of ours. All other workflows run without tracing, and do not even load it: each workflow loads its
 * modules anew.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import type { ProcessorConfig } from '../strategies/types.ts';
import { marksOf } from './marks.ts';
import type { Traced } from './traced-workflow.ts';

export function interceptors(): WorkflowInterceptors {
  let traced: Traced | undefined;
  return {
    inbound: [
      {
        async execute(input, next) {
          const marks = marksOf(input.args[2] as ProcessorConfig);
          if (marks === undefined) return next(input);
          const { tracedWorkflow } = await import(/* webpackMode: "eager" */ './traced-workflow.ts');
          traced = tracedWorkflow(marks);
          return traced.execute(input, next);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => (traced ? traced.scheduleActivity(input, next) : next(input)),
        startChildWorkflowExecution: (input, next) =>
          traced ? traced.startChildWorkflowExecution(input, next) : next(input),
        continueAsNew: (input, next) => (traced ? traced.continueAsNew(input, next) : next(input)),
      },
    ],
    internals: [
      {
        dispose(input, next) {
          if (traced) traced.dispose(input, next);
          else next(input);
        },
      },
    ],
  };
}
