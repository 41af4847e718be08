/** A user of the account with exactly the permissions that docs/cli.md says the commands need. */
import { documents } from '../docs/markdown.ts';

const PLACE = 'us-east-1:000000000000';

/** The permissions in the table's second column. */
const RESOURCES: Record<string, string[]> = {
  '`*`': ['*'],
  '`/elastic-workers-stacks`, `/elastic-workers/<stack id>`': [
    `arn:aws:ssm:${PLACE}:parameter/elastic-workers-stacks`,
    `arn:aws:ssm:${PLACE}:parameter/elastic-workers/*`,
  ],
  'the state table': [`arn:aws:dynamodb:${PLACE}:table/*`],
  'the pools’ services and tasks': [`arn:aws:ecs:${PLACE}:service/*`, `arn:aws:ecs:${PLACE}:task/*`],
  'the pools’ services': [`arn:aws:ecs:${PLACE}:service/*`],
  'the pools’ clusters': [`arn:aws:ecs:${PLACE}:cluster/*`],
  'the scaler’s log': [`arn:aws:logs:${PLACE}:log-group:*`],
  'Temporal’s secret, if there is one': [`arn:aws:secretsmanager:${PLACE}:secret:*`],
  'the CDK’s roles, `cdk-*`': ['arn:aws:iam::000000000000:role/cdk-*'],
  '`/cdk-bootstrap/*`': [`arn:aws:ssm:${PLACE}:parameter/cdk-bootstrap/*`],
  'the role `AWSServiceRoleForECS`': ['arn:aws:iam::000000000000:role/*AWSServiceRoleForECS'],
  'the stack `ElasticWorkersProof`': [`arn:aws:cloudformation:${PLACE}:stack/ElasticWorkersProof/*`],
  'the proof’s service': [`arn:aws:ecs:${PLACE}:service/*/ElasticWorkersProof-*`],
  'the proof’s table': [`arn:aws:dynamodb:${PLACE}:table/ElasticWorkersProof-*`],
};

/** Creates the user; returns the keys as environment variables. */
export async function onCall(emulatorUrl: string): Promise<Record<string, string>> {
  const UserName = 'on-call';
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: documentedStatements() });
  await iam(emulatorUrl, 'CreateUser', { UserName });
  await iam(emulatorUrl, 'PutUserPolicy', { UserName, PolicyName: 'cli', PolicyDocument: policy });
  const made = await iam(emulatorUrl, 'CreateAccessKey', { UserName });
  const text = (element: string) => new RegExp(`<${element}>(.*)</${element}>`).exec(made)?.[1] ?? '';
  return { AWS_ACCESS_KEY_ID: text('AccessKeyId'), AWS_SECRET_ACCESS_KEY: text('SecretAccessKey') };
}

function documentedStatements() {
  const page = documents().find(({ path }) => path === 'docs/cli.md')?.prose ?? '';
  const [, table = ''] = page.split('## Rights');
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) => {
    const [, actions = '', on = ''] = row.split('|').map((cell) => cell.trim());
    const names = [...actions.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const service = names[0]?.split(':')[0];
    const what = on.split(/[;,] (?:the construct|limited)/)[0]!.replaceAll("'", '’');
    const Resource = RESOURCES[what];
    if (Resource === undefined) throw new Error(`docs/cli.md, Rights: what is '${what}'?`);
    const Action = names.map((name) => (name.includes(':') ? name : `${service}:${name}`));
    return { Effect: 'Allow', Action, Resource };
  });
}

export async function iam(emulatorUrl: string, action: string, parameters: Record<string, string>): Promise<string> {
  const scope = 'Credential=test/20260101/us-east-1/iam/aws4_request';
  const response = await fetch(emulatorUrl, {
    method: 'POST',
    body: new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters }),
    headers: { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=none` },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${action}: ${response.status} ${text}`);
  return text;
}
