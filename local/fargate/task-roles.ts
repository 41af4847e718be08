/**
 * A task's two roles: the task role's credentials, and whether the roles allow what ECS's agent and log driver do on their behalf. A
 * task without a role is not restricted.
 */
import type { EmulatorClient, RoleCredentials } from './emulator-client.ts';
import { EcsError, TaskStartError } from './errors.ts';
import type { LocalTask } from './task.ts';

export class TaskRoles {
  readonly #emulator: EmulatorClient;

  constructor(emulator: EmulatorClient) {
    this.#emulator = emulator;
  }

  /** As on Fargate, the session name is the task's id. */
  credentials({ id, origin }: LocalTask): Promise<RoleCredentials> {
    const { taskRoleArn } = origin.taskDefinition;
    if (!taskRoleArn) throw new EcsError('ResourceNotFoundException', 'The task has no role');
    return this.#emulator.assumeRole(taskRoleArn, id);
  }

  /** Throws an EcsError if the task role does not allow the agent's call. */
  async allowProtection(task: LocalTask, action: 'GetTaskProtection' | 'UpdateTaskProtection'): Promise<void> {
    const { service, taskDefinition } = task.origin;
    if (!taskDefinition.taskRoleArn) return;
    const { AccessKeyId: as } = await this.credentials(task);
    const tags = service.propagateTags === 'SERVICE' ? service.tags : [];
    const context = {
      'ecs:cluster': service.clusterArn,
      ...Object.fromEntries(tags.map(({ key, value }) => [`aws:ResourceTag/${key}`, value])),
    };
    await this.#emulator.judge({ as, action: `ecs:${action}`, resource: task.arn, context });
  }

  /** Throws a TaskStartError if the execution role does not allow pulling the containers' images from ECR. */
  async allowPulls(task: LocalTask): Promise<void> {
    const images = imagesOf(task).flatMap((image) => {
      const [, account, region, repository] = ECR_IMAGE.exec(image) ?? [];
      return repository === undefined ? [] : [`arn:aws:ecr:${region}:${account}:repository/${repository}`];
    });
    if (images.length === 0) return;
    await this.#allow(task, ['ecr:GetAuthorizationToken'], ['*'], CANNOT_PULL);
    await this.#allow(task, PULL_ACTIONS, images, CANNOT_PULL);
  }

  /** Throws a TaskStartError if the execution role does not allow writing the containers' logs. */
  async allowLogs(task: LocalTask): Promise<void> {
    const place = task.arn.split(':').slice(3, 5).join(':');
    const groups = task.origin.taskDefinition.containerDefinitions.flatMap(
      ({ logConfiguration }) => logConfiguration?.options['awslogs-group'] ?? [],
    );
    const streams = groups.map((group) => `arn:aws:logs:${place}:log-group:${group}:log-stream:${task.id}`);
    await this.#allow(task, ['logs:CreateLogStream', 'logs:PutLogEvents'], streams, CANNOT_LOG);
  }

  /** Checks what is done on behalf of the execution role; without one, nothing is. */
  async #allow({ id, origin }: LocalTask, actions: string[], resources: string[], failure: string): Promise<void> {
    const { executionRoleArn } = origin.taskDefinition;
    if (!executionRoleArn || resources.length === 0) return;
    const { AccessKeyId: as } = await this.#emulator.assumeRole(executionRoleArn, id);
    for (const resource of new Set(resources)) {
      for (const action of actions) {
        await this.#emulator.judge({ as, action, resource }).catch((cause: Error) => {
          throw new TaskStartError(`${failure}: ${cause.name}: ${cause.message}`, { cause });
        });
      }
    }
  }

  /** Reads it as the execution role. */
  async secretValue({ id, origin }: LocalTask, valueFrom: string): Promise<string> {
    const { executionRoleArn } = origin.taskDefinition;
    const session = executionRoleArn ? await this.#emulator.assumeRole(executionRoleArn, id) : undefined;
    return this.#emulator.secretValue(valueFrom, session && { as: session.AccessKeyId });
  }
}

/** Account, region and repository. */
const ECR_IMAGE = /^(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com\/([^:@]+)/;
const PULL_ACTIONS = ['ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchGetImage'];
const CANNOT_PULL = 'CannotPullECRContainerError';
const CANNOT_LOG = 'ResourceInitializationError: failed to validate logger args';

function imagesOf({ origin }: LocalTask): string[] {
  return origin.taskDefinition.containerDefinitions.map(({ image }) => image);
}
