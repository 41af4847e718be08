/** The workflows of fixtures/workflows.ts for any number of workers: webpack takes seconds for them, so each test file does it once. */
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';

let bundle: Promise<WorkflowBundle> | undefined;

export function bundledWorkflows(): Promise<WorkflowBundle> {
  const workflowsPath = require.resolve('./fixtures/workflows.ts');
  return (bundle ??= bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }));
}
