/** What `cdk deploy` deploys: a pool of workers, and the scaler that sizes it. */
import { App, Stack } from 'aws-cdk-lib';
import { ElasticWorkers } from 'temporal-elastic-workers';

const app = new App();
const stack = new Stack(app, '__STACK__', {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});

new ElasticWorkers(stack, 'Workers', {
  // Your Temporal: its address, such as `my-namespace.a1b2c.tmprl.cloud:7233`, its namespace, and the secret with its API key.
  temporal: { address: 'temporal.example.com:7233' },
  pools: {
    main: { taskQueue: '__NAME__', entry: 'src/worker.ts', slots: 20, maxTasks: 10 },
  },
});
