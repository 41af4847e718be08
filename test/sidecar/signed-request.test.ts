import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { signedHeaders } from '../../sidecar/signed-request.ts';

const NOW = new Date('2026-11-30T01:02:03.456Z');
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };

test.each([
  ['a task role’s credentials', { ...KEYS, sessionToken: 'token/with+characters==' }],
  ['a user’s credentials', KEYS],
])('the signature with %s is the same as the AWS SDK’s', async (_, credentials) => {
  const url = new URL('https://dynamodb.eu-central-1.amazonaws.com');
  const body = JSON.stringify({ RequestItems: { state: { Keys: [{ id: { S: 'AROA:ä' } }] } } });
  const ours = signedHeaders({ url, region: 'eu-central-1', target: 'BatchGetItem', body, credentials, now: NOW });
  const client = new DynamoDBClient({ region: 'eu-central-1', credentials });
  const signer = await client.config.signer!();
  const { authorization: _ours, ...headers } = ours;
  const request = { method: 'POST', protocol: 'https:', hostname: url.hostname, path: '/', query: {}, headers, body };
  const signed = (await (signer as unknown as Signer).sign(request, { signingDate: NOW })) as typeof request;
  expect(ours).toEqual(signed.headers);
});

interface Signer {
  sign(request: object, options: object): Promise<object>;
}
