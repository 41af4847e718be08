/** Two tasks that nobody takes away, everything above them on Fargate Spot; on Arm, and with room on the disk. */
import { App, Stack } from 'aws-cdk-lib';
import { CpuArchitecture } from 'aws-cdk-lib/aws-ecs';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'Spot', { env: { region: 'eu-central-1' } });

new ElasticWorkers(stack, 'Workers', {
  temporal: { address: 'temporal.example.com:7233' },
  pools: {
    batch: {
      taskQueue: 'batch-queue',
      minTasks: 2,
      maxTasks: 100,
      spot: true,
      onDemandBase: 2,
      cpuArchitecture: CpuArchitecture.ARM64,
      ephemeralStorageGiB: 50,
      // Spot warns two minutes ahead: work that has not ended by then says so in its heartbeat, and is taken up again.
      stopTimeoutSeconds: 120,
      drainSeconds: 100,
    },
  },
});
