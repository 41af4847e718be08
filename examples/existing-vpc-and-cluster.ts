/** Into what a platform team runs already: VPC, cluster, security group, key, topic; Temporal's own server is in the same VPC. */
import { App, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as sns from 'aws-cdk-lib/aws-sns';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'ExistingVpcAndCluster', { env: { account: '123456789012', region: 'eu-central-1' } });
const arn = (rest: string) => `arn:aws:${rest.replace(':', ':eu-central-1:123456789012:')}`;
const vpc = ec2.Vpc.fromVpcAttributes(stack, 'Vpc', {
  vpcId: 'vpc-0123456789abcdef0',
  availabilityZones: ['eu-central-1a', 'eu-central-1b'],
  privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
});
const temporalServer = ec2.SecurityGroup.fromSecurityGroupId(stack, 'TemporalServer', 'sg-0123456789abcdef0');

const workers = new ElasticWorkers(stack, 'Workers', {
  temporal: { address: 'temporal.internal:7233', namespace: 'agents' },
  cluster: ecs.Cluster.fromClusterAttributes(stack, 'Cluster', { clusterName: 'platform', vpc }),
  scalerVpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
  encryptionKey: kms.Key.fromKeyArn(stack, 'Key', arn('kms:key/11111111-2222-3333-4444-555555555555')),
  alarmTopics: [sns.Topic.fromTopicArn(stack, 'OnCall', arn('sns:on-call'))],
  alarmThresholds: { queueDepth: 500, latencySeconds: 60 },
  runbookUrl: 'https://wiki.example.com/runbooks',
  pools: { agents: { taskQueue: 'agents', minTasks: 2, maxTasks: 40 } },
});
workers.connections.allowTo(temporalServer, ec2.Port.tcp(7233));
