/** One queue, this package's worker, everything else as it comes. `npx cdk deploy -a 'node examples/minimal.ts'` */
import { App, Stack } from 'aws-cdk-lib';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'Minimal', { env: { region: 'eu-central-1' } });

new ElasticWorkers(stack, 'Workers', {
  temporal: { address: 'temporal.example.com:7233' },
  pools: { fast: { taskQueue: 'quick-response-queue' } },
});
