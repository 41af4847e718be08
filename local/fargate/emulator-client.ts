/**
 * What local Fargate asks the AWS emulator: services and task definitions, which CloudFormation made inside it, and
 * the values of secrets. Raw JSON instead of the SDK, because the SDK drops the members that the emulator misspells.
 */
import { EcsError, TaskStartError } from './errors.ts';
import { parseService, parseTaskDefinition } from './definitions.ts';
import type { ServiceDefinition, TaskDefinition } from './definitions.ts';

type Json = Record<string, unknown>;

const SECRET_ARN_PARTS = 7;

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

  /** One ECS call, with ECS's own errors. */
  ecs(action: string, input: Json): Promise<Json> {
    return this.#call('ecs', `AmazonEC2ContainerServiceV20141113.${action}`, input);
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

  /** A revision never changes, so it is read once. A reading that failed is not kept. */
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
   * A bare name may be a secret's as well, which ECS would refuse: the emulator's `Ref` of a secret is its name.
   */
  async secretValue(valueFrom: string): Promise<string> {
    try {
      if (valueFrom.startsWith('arn:') && valueFrom.split(':')[2] === 'ssm') return await this.#parameter(valueFrom);
      if (valueFrom.startsWith('arn:')) return await this.#secret(splitSecret(valueFrom, SECRET_ARN_PARTS));
      return await this.#secret(splitSecret(valueFrom, 1)).catch(() => this.#parameter(valueFrom));
    } catch (error) {
      throw new TaskStartError(
        `ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret ${valueFrom}: ${String(error)}`,
        { cause: error },
      );
    }
  }

  async #secret({ id, jsonKey, versionStage, versionId }: SecretReference): Promise<string> {
    const answer = await this.#call('secretsmanager', 'secretsmanager.GetSecretValue', {
      SecretId: id,
      ...(versionStage && { VersionStage: versionStage }),
      ...(versionId && { VersionId: versionId }),
    });
    const value = answer['SecretString'] as string;
    if (!jsonKey) return value;
    const member = (JSON.parse(value) as Json)[jsonKey];
    if (member === undefined) throw new Error(`the secret has no JSON key ${jsonKey}`);
    return typeof member === 'string' ? member : JSON.stringify(member);
  }

  async #parameter(arnOrName: string): Promise<string> {
    const answer = await this.#call('ssm', 'AmazonSSM.GetParameter', { Name: arnOrName, WithDecryption: true });
    return (answer['Parameter'] as { Value: string }).Value;
  }

  async #call(service: string, target: string, input: Json): Promise<Json> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/x-amz-json-1.1',
        'X-Amz-Target': target,
        // The emulator reads account and region from here and checks no signature.
        Authorization: `AWS4-HMAC-SHA256 Credential=${this.#accessKeyId}/20260101/${this.#region}/${service}/aws4_request, SignedHeaders=host, Signature=none`,
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
