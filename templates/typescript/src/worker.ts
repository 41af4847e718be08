/** The worker's process: what infra/app.ts sets in its environment says which task queue it serves, and how. */
import { fileURLToPath } from 'node:url';
import { runElasticWorker } from 'temporal-elastic-workers/worker';
import * as activities from './activities.ts';

await runElasticWorker({
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
  activities,
});
