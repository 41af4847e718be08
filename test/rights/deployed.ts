/** A template's roles, policies and resources, deployed to the emulator, and calls made in the roles' names. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Template } from 'aws-cdk-lib/assertions';
import { startEmulator, type LocalEmulator } from '../../local/emulator.ts';
import { EmulatorClient, JUDGE_HEADER, type JudgedCall } from '../../local/fargate/emulator-client.ts';
import { Stacks, type Resources } from '../local/stacks.ts';
import { loggedCalls, type LoggedCall } from './statements.ts';

/** A call as it is sent, or, if no emulator answers it, as IAM sees it. */
export type Call = { target: string; input: object } | Omit<JudgedCall, 'as'>;

/** Of an existing secret. */
export const SECRET = 'temporal';

const SERVICES: Record<string, string> = {
  AmazonEC2ContainerServiceV20141113: 'ecs',
  AmazonSSM: 'ssm',
  DynamoDB_20120810: 'dynamodb',
  GraniteServiceVersion20100801: 'monitoring',
  Logs_20140328: 'logs',
  secretsmanager: 'secretsmanager',
};

export class DeployedRoles {
  readonly #directory = mkdtempSync(join(tmpdir(), 'rights-'));
  #emulator!: LocalEmulator;
  #client!: EmulatorClient;
  #names = new Map<string, string>();

  async start(template: Template): Promise<void> {
    this.#emulator = await startEmulator({ directory: this.#directory });
    this.#client = new EmulatorClient(this.#emulator.url, 'us-east-1', 'test');
    const { Resources: resources } = template.toJSON() as { Resources: Resources };
    await this.#send('test', {
      target: 'secretsmanager.CreateSecret',
      input: { Name: SECRET, SecretString: 'secret' },
    });
    const stacks = new Stacks(this.#emulator.url);
    const { status, reasons } = await stacks.deploy('Stack', withoutAssets(resources));
    if (status !== 'CREATE_COMPLETE') throw new Error(`${status}: ${reasons.join('\n')}`);
    this.#names = await stacks.names('Stack');
  }

  async stop(): Promise<void> {
    await this.#emulator?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** The name of the resource whose logical id starts with this. */
  name(logicalId: string): string {
    const [, name] = [...this.#names].find(([id]) => new RegExp(`^${logicalId}[0-9A-F]{8}$`).test(id)) ?? [];
    if (name === undefined) throw new Error(`no ${logicalId} among ${[...this.#names.keys()].join(', ')}`);
    return name;
  }

  /** Together with a session's name, the value of `${aws:userid}`. */
  async roleId(role: string): Promise<string> {
    const headers = { authorization: signedFor('iam') };
    const query = `Action=GetRole&Version=2010-05-08&RoleName=${this.name(role)}`;
    const answer = await fetch(`${this.#emulator.url}/?${query}`, { method: 'POST', headers });
    return /<RoleId>(.*)<\/RoleId>/.exec(await answer.text())![1]!;
  }

  /** Returns the refusal, or undefined if the call was allowed, whatever its result. */
  async call(role: string, call: Call, session?: string): Promise<string | undefined> {
    const arn = `arn:aws:iam::000000000000:role/${this.name(role)}`;
    const as = session === undefined ? arn : (await this.#client.assumeRole(arn, session)).AccessKeyId;
    const { __type: type = '', message, Message = message } = await this.#send(as, call);
    return type.includes('AccessDenied') ? Message : undefined;
  }

  async #send(as: string, call: Call): Promise<Record<string, string>> {
    const { target, input } =
      'target' in call ? call : { target: 'AmazonEC2ContainerServiceV20141113.ListClusters', input: {} };
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': target,
      authorization: signedFor(SERVICES[target.split('.')[0]!]!),
      [JUDGE_HEADER]: JSON.stringify('target' in call ? { as } : { as, ...call }),
    };
    const response = await fetch(this.#emulator.url, { method: 'POST', headers, body: JSON.stringify(input) });
    const text = await response.text();
    return text.startsWith('{') ? (JSON.parse(text) as Record<string, string>) : {};
  }

  logged(): LoggedCall[] {
    return loggedCalls(this.#directory);
  }
}

function signedFor(service: string): string {
  return `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=none`;
}

/** Objects in S3 do not exist here. */
function withoutAssets(resources: Resources): Resources {
  const code = { ZipFile: 'exports.handler = async () => {};' };
  return Object.fromEntries(
    Object.entries(resources).map(([id, resource]) => [
      id,
      resource.Type === 'AWS::Lambda::Function'
        ? { ...resource, Properties: { ...resource.Properties, Code: code } }
        : resource,
    ]),
  );
}
