/** The CDK app that `elastic-workers prove` deploys: one small pool with this package's own worker, deployed as usual. */
import { App, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { PROOF_CONTEXT, PROOF_POOL, PROOF_STACK, type ProofSettings } from '../contract/proof.ts';
import { ElasticWorkers } from './index.ts';

const app = new App();
const { temporal, taskQueue, vpcId } = JSON.parse(String(app.node.getContext(PROOF_CONTEXT))) as ProofSettings;
const stack = new Stack(app, PROOF_STACK, {
  description: 'Created by elastic-workers prove; can be deleted at any time',
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});

new ElasticWorkers(stack, 'Workers', {
  temporal: {
    address: temporal.address,
    namespace: temporal.namespace,
    tls: temporal.tls,
    allowPlaintext: !temporal.tls,
    ...(temporal.secret !== undefined && { secret: Secret.fromSecretCompleteArn(stack, 'Temporal', temporal.secret) }),
  },
  ...(vpcId !== undefined && {
    vpc: ec2.Vpc.fromLookup(stack, 'Vpc', { vpcId }),
    scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
  }),
  tickSeconds: PROOF_POOL.tickSeconds,
  pools: {
    [PROOF_POOL.name]: {
      taskQueue,
      slots: PROOF_POOL.slots,
      maxTasks: PROOF_POOL.maxTasks,
      cpu: PROOF_POOL.vcpus * 1024,
      memory: PROOF_POOL.gigabytes * 1024,
      targetWaitSeconds: PROOF_POOL.targetWaitSeconds,
      scaleInAfterSeconds: PROOF_POOL.scaleInAfterSeconds,
      // Its work uses no model.
      model: 'offline:',
    },
  },
});
