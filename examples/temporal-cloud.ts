/** Temporal Cloud: an API key for one namespace, a client certificate for another. Both are in Secrets Manager only. */
import { App, Stack } from 'aws-cdk-lib';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { ElasticWorkers } from '../infra/index.ts';

export const app = new App();
const stack = new Stack(app, 'TemporalCloud', { env: { account: '123456789012', region: 'eu-central-1' } });
const secret = (name: string) =>
  Secret.fromSecretCompleteArn(stack, name, `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${name}-AbCdEf`);

new ElasticWorkers(stack, 'Workers', {
  temporal: {
    address: 'eu-central-1.aws.api.temporal.io:7233',
    namespace: 'agents.a1b2c',
    secret: secret('temporal-api-key'), // its text is the key
  },
  pools: {
    agents: { taskQueue: 'agents' },
    billing: {
      taskQueue: 'billing',
      temporal: {
        address: 'billing.a1b2c.tmprl.cloud:7233',
        namespace: 'billing.a1b2c',
        // {"TEMPORAL_TLS_CLIENT_CERT_DATA": "-----BEGIN …", "TEMPORAL_TLS_CLIENT_KEY_DATA": "-----BEGIN …"}
        secret: secret('temporal-client-certificate'),
      },
    },
  },
});
