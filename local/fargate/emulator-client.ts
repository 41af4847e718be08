/**
 * Reads from the AWS emulator: services and task definitions, which CloudFormation created in it, and the values of secrets. Uses raw
 * JSON instead of the SDK, because the SDK drops members that the emulator misspells.
 */
import { EcsError, TaskStartError } from './errors.ts';
import { parseService, parseTaskDefinition } from './definitions.ts';
import type { ServiceDefinition, TaskDefinition } from './definitions.ts';

type Json = Record<string, unknown>;

/** With this header a call is only authorized; an ECS call is not carried out. */
export const JUDGE_HEADER = 'x-elastic-workers-judge';

const ECS = 'AmazonEC2ContainerServiceV20141113';

const SECRET_ARN_PARTS = 7;

/** In the form of the container credentials endpoint. */
export interface RoleCredentials {
  RoleArn: string;
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  Expiration: string;
}

/** The principal whose permissions are needed, by access key. (See local/emulator/rights.py.) */
interface Judged {
  as: string;
}

/** The call, as IAM sees it. */
export interface JudgedCall extends Judged {
  action: string;
  resource: string;
  context?: Record<string, string>;
}

export class EmulatorClient {
  readonly #url: string;
  readonly #region: string;
  readonly #accessKeyId: string;
  readonly #taskDefinitions = new Map<string, Promise<TaskDefinition>>();

  constructor(url: string, region: string, accessKeyId: string) {
    this.#url = url;
    this.#region = region;
    this.#accessKeyId = accessKeyId;
  }

  /** Makes an ECS call, with ECS's own errors. */
  ecs(action: string, input: Json): Promise<Json> {
    return this.#call('ecs', `${ECS}.${action}`, input);
  }

  /** Throws an EcsError if the call is not allowed. The call is not made. */
  async judge(call: JudgedCall): Promise<void> {
    await this.#call('ecs', `${ECS}.ListClusters`, {}, call);
  }

  async assumeRole(roleArn: string, sessionName: string): Promise<RoleCredentials> {
    const input = { RoleArn: roleArn, RoleSessionName: sessionName };
    const answer = await this.#call('sts', 'AWSSecurityTokenServiceV20110615.AssumeRole', input);
    const { SessionToken, Expiration, ...keys } = answer['Credentials'] as Record<string, string>;
    return {
      RoleArn: roleArn,
      AccessKeyId: keys['AccessKeyId']!,
      SecretAccessKey: keys['SecretAccessKey']!,
      Token: SessionToken!,
      Expiration: new Date(Number(Expiration) * 1000).toISOString(),
    };
  }

  async clusterArns(): Promise<string[]> {
    return (await this.ecs('ListClusters', {}))['clusterArns'] as string[];
  }

  /** Every service of a cluster that has not been deleted. */
  async services(cluster: string): Promise<ServiceDefinition[]> {
    const arns = (await this.ecs('ListServices', { cluster }))['serviceArns'] as string[];
    const found: ServiceDefinition[] = [];
    for (let start = 0; start < arns.length; start += 10) {
      const page = await this.ecs('DescribeServices', {
        cluster,
        services: arns.slice(start, start + 10),
        include: ['TAGS'],
      });
      found.push(...(page['services'] as unknown[]).map(parseService));
    }
    return found;
  }

  /** A revision never changes, so it is read once. A failed reading is not cached. */
  taskDefinition(arn: string): Promise<TaskDefinition> {
    const known = this.#taskDefinitions.get(arn);
    if (known) return known;
    const reading = this.ecs('DescribeTaskDefinition', { taskDefinition: arn }).then((answer) =>
      parseTaskDefinition(answer['taskDefinition']),
    );
    this.#taskDefinitions.set(arn, reading);
    reading.catch(() => this.#taskDefinitions.delete(arn));
    return reading;
  }

  /**
   * The value behind a container secret's `valueFrom`: a Secrets Manager ARN, the ARN followed by
   * `:json-key:version-stage:version-id` (each may be empty), or a Systems Manager parameter's ARN or name.
   * A bare name may also be a secret's, which ECS would reject: the emulator's `Ref` of a secret is its name.
   */
  async secretValue(valueFrom: string, judged?: Judged): Promise<string> {
    try {
      if (valueFrom.startsWith('arn:') && valueFrom.split(':')[2] === 'ssm')
        return await this.#parameter(valueFrom, judged);
      if (valueFrom.startsWith('arn:')) return await this.#secret(splitSecret(valueFrom, SECRET_ARN_PARTS), judged);
      return await this.#secret(splitSecret(valueFrom, 1), judged).catch(() => this.#parameter(valueFrom, judged));
    } catch (error) {
      throw new TaskStartError(
        `ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret ${valueFrom}: ${String(error)}`,
        { cause: error },
      );
    }
  }

  async #secret({ id, jsonKey, versionStage, versionId }: SecretReference, judged?: Judged): Promise<string> {
    const input = {
      SecretId: id,
      ...(versionStage && { VersionStage: versionStage }),
      ...(versionId && { VersionId: versionId }),
    };
    const answer = await this.#call('secretsmanager', 'secretsmanager.GetSecretValue', input, judged);
    const value = answer['SecretString'] as string;
    if (!jsonKey) return value;
    const member = (JSON.parse(value) as Json)[jsonKey];
    if (member === undefined) throw new Error(`the secret has no JSON key ${jsonKey}`);
    return typeof member === 'string' ? member : JSON.stringify(member);
  }

  async #parameter(arnOrName: string, judged?: Judged): Promise<string> {
    const input = { Name: arnOrName, WithDecryption: true };
    const answer = await this.#call('ssm', 'AmazonSSM.GetParameter', input, judged);
    return (answer['Parameter'] as { Value: string }).Value;
  }

  async #call(service: string, target: string, input: Json, judged?: Judged): Promise<Json> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-amz-json-1.1',
        'X-Amz-Target': target,
        // The emulator reads account and region from here and checks no signature.
        Authorization: `AWS4-HMAC-SHA256 Credential=${this.#accessKeyId}/20260101/${this.#region}/${service}/aws4_request, SignedHeaders=host, Signature=none`,
        ...(judged && { [JUDGE_HEADER]: JSON.stringify(judged) }),
      },
      body: JSON.stringify(input),
      signal: AbortSignal.timeout(10_000),
    });
    const answer = (await response.json()) as Json;
    if (!response.ok) throw new EcsError(errorCode(answer), String(answer['message'] ?? answer['Message']));
    return answer;
  }
}

interface SecretReference {
  id: string;
  jsonKey: string | undefined;
  versionStage: string | undefined;
  versionId: string | undefined;
}

function splitSecret(valueFrom: string, idParts: number): SecretReference {
  const parts = valueFrom.split(':');
  const [jsonKey, versionStage, versionId] = parts.slice(idParts);
  return { id: parts.slice(0, idParts).join(':'), jsonKey, versionStage, versionId };
}

function errorCode(answer: Json): string {
  return String(answer['__type'] ?? 'ServerException').replace(/^.*#/, '');
}
