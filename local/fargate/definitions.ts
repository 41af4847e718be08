/**
 * Services and task definitions for local Fargate, parsed from the emulator's raw JSON. Keys are accepted in ECS's and in
 * CloudFormation's spelling, because the emulator keeps some nested keys of a container definition (such as `Name` and `ValueFrom`
 * of `Secrets`) as in the template.
 */
import { z } from 'zod';
import { LONGEST_STOP_TIMEOUT_SECONDS } from '../../contract/deployment.ts';

const nameAndValue = z.object({ name: z.string(), value: z.coerce.string() });
const tags = z.array(z.object({ key: z.string(), value: z.string().default('') })).default([]);

const containerSchema = z.object({
  name: z.string(),
  image: z.string(),
  entryPoint: z.array(z.string()).default([]),
  command: z.array(z.string()).default([]),
  essential: z.coerce.boolean().default(true),
  dependsOn: z
    .array(z.object({ containerName: z.string(), condition: z.enum(['START', 'COMPLETE', 'SUCCESS']) }))
    .default([]),
  environment: z.array(nameAndValue).default([]),
  secrets: z.array(z.object({ name: z.string(), valueFrom: z.string() })).default([]),
  logConfiguration: z.object({ options: z.record(z.string(), z.string()).default({}) }).optional(),
  /** Fargate's own default and limit. */
  stopTimeout: z.coerce
    .number()
    .default(30)
    .transform((seconds) => Math.min(seconds, LONGEST_STOP_TIMEOUT_SECONDS)),
  cpu: z.coerce.number().default(0),
  healthCheck: z
    .object({
      command: z.array(z.string()).min(1),
      interval: z.coerce.number().default(30),
      timeout: z.coerce.number().default(5),
      retries: z.coerce.number().default(3),
      startPeriod: z.coerce.number().default(0),
    })
    .optional(),
});

/** The emulator returns an empty one if there is none. */
const roleArn = z
  .string()
  .optional()
  .transform((arn) => arn || undefined);

const taskDefinitionSchema = z.object({
  taskDefinitionArn: z.string(),
  family: z.string(),
  revision: z.coerce.number(),
  cpu: z.coerce.string().default('256'),
  memory: z.coerce.string().default('512'),
  pidMode: z.string().optional(),
  taskRoleArn: roleArn,
  executionRoleArn: roleArn,
  containerDefinitions: z.array(containerSchema),
});

const deploymentSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  taskDefinition: z.string(),
  createdAt: z.number().optional(),
});

const serviceSchema = z.looseObject({
  serviceArn: z.string(),
  serviceName: z.string(),
  clusterArn: z.string(),
  status: z.string(),
  taskDefinition: z.string(),
  desiredCount: z.coerce.number(),
  launchType: z.string().optional(),
  capacityProviderStrategy: z
    .array(
      z.looseObject({
        capacityProvider: z.string(),
        base: z.coerce.number().default(0),
        weight: z.coerce.number().default(0),
      }),
    )
    .optional(),
  deploymentConfiguration: z
    .looseObject({
      maximumPercent: z.coerce.number().default(200),
      minimumHealthyPercent: z.coerce.number().default(100),
      deploymentCircuitBreaker: z
        .object({ enable: z.coerce.boolean().default(false), rollback: z.coerce.boolean().default(false) })
        .prefault({}),
    })
    .prefault({}),
  deployments: z.array(deploymentSchema).default([]),
  networkConfiguration: z
    .looseObject({ awsvpcConfiguration: z.looseObject({ subnets: z.array(z.string()).default([]) }).optional() })
    .optional(),
  /** On by default when a service is created. (Source: ECS API reference, CreateService.) */
  availabilityZoneRebalancing: z.string().default('ENABLED'),
  propagateTags: z.string().optional(),
  tags,
});

export type ContainerDefinition = z.infer<typeof containerSchema>;
export type TaskDefinition = z.infer<typeof taskDefinitionSchema>;
export type HealthCheck = NonNullable<ContainerDefinition['healthCheck']>;
export type ServiceDeployment = z.infer<typeof deploymentSchema>;
/** A service as the emulator describes it; other fields are kept for DescribeServices. */
export type ServiceDefinition = z.infer<typeof serviceSchema>;

export function parseTaskDefinition(raw: unknown): TaskDefinition {
  return taskDefinitionSchema.parse(withEcsSpelling(raw));
}

export function parseService(raw: unknown): ServiceDefinition {
  return serviceSchema.parse(raw);
}

/** The deployment that ECS is working towards; the service's new tasks have its id as `startedBy`. */
export function primaryDeployment(service: ServiceDefinition): ServiceDeployment {
  const primary = service.deployments.find((deployment) => deployment.status === 'PRIMARY');
  if (!primary) throw new Error(`the emulator's service ${service.serviceArn} has no PRIMARY deployment`);
  return primary;
}

/** One per subnet of the service: here each subnet is in its own zone. */
export function zonesOf({ clusterArn, networkConfiguration }: ServiceDefinition): string[] {
  const count = networkConfiguration?.awsvpcConfiguration?.subnets.length ?? 0;
  const region = clusterArn.split(':')[3];
  return Array.from({ length: Math.max(1, count) }, (_, index) => `${region}${String.fromCharCode(97 + index)}`);
}

/** The last part of an ARN, or the name itself. */
export function nameOf(arnOrName: string): string {
  return arnOrName.slice(arnOrName.lastIndexOf('/') + 1);
}

/** `ValueFrom` → `valueFrom`, at every depth. Unset members (null) are left out. */
function withEcsSpelling(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withEcsSpelling);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([key, member]) => [key.charAt(0).toLowerCase() + key.slice(1), withEcsSpelling(member)]),
  );
}
