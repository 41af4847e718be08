/** A worker in Python. It is told its queue and slots, and a sidecar protects its task and tells it to leave. */
import { join } from 'node:path';
import { App, Stack } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as sns from 'aws-cdk-lib/aws-sns';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'ForeignImage', { env: { account: '123456789012', region: 'eu-central-1' } });
const apiKey = secretsmanager.Secret.fromSecretCompleteArn(
  stack,
  'ApiKey',
  'arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal-api-key-AbCdEf',
);

const workers = new ElasticWorkers(stack, 'Workers', {
  temporal: { address: 'eu-central-1.aws.api.temporal.io:7233', namespace: 'reports.a1b2c', secret: apiKey },
  pools: {
    reports: {
      taskQueue: 'reports',
      image: ecs.ContainerImage.fromAsset(join(import.meta.dirname, 'python-worker')),
      // It does not read Secrets Manager by itself, so ECS hands it the key.
      secrets: { TEMPORAL_API_KEY: ecs.Secret.fromSecretsManager(apiKey) },
      slots: 8,
    },
  },
});

// A pool is a grantee.
sns.Topic.fromTopicArn(stack, 'Done', 'arn:aws:sns:eu-central-1:123456789012:reports-done').grantPublish(
  workers.pool('reports'),
);
