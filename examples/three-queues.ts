/** A pool for each kind of work, each of its own size, scaled on its own; the GPU pool runs on instances of your cluster. */
import { App, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'ThreeQueues', { env: { account: '123456789012', region: 'eu-central-1' } });
const vpc = ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
});
const cluster = ecs.Cluster.fromClusterAttributes(stack, 'Cluster', { clusterName: 'agents', vpc });

new ElasticWorkers(stack, 'Workers', {
  temporal: { address: 'temporal.example.com:7233' },
  cluster,
  pools: {
    quick: {
      taskQueue: 'quick-response-queue',
      slots: 40,
      maxTasks: 50,
      targetWaitSeconds: 5,
      schedules: [{ from: '0 8 * * 1-5', to: '0 18 * * 1-5', timeZone: 'Europe/Berlin', minTasks: 4 }],
    },
    long: { taskQueue: 'long-running-queue', slots: 5, cpu: 2048, memory: 8192, targetWaitSeconds: 120 },
    // A capacity provider that the cluster has, for instances with GPUs, such as g6.xlarge.
    gpu: {
      taskQueue: 'gpu-worker-queue',
      capacityProvider: 'gpu-instances',
      gpu: 1,
      slots: 1,
      cpu: 3072,
      memory: 12_288,
    },
  },
});
