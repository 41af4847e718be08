/**
 * A task's two roles: the credentials of its own, and whether they allow what ECS's agent and its log driver do in their
 * names. A task that has no role is held back by nothing.
 */
import type { EmulatorClient, RoleCredentials } from './emulator-client.ts';
import { EcsError, TaskStartError } from './errors.ts';
import type { Task } from './task.ts';

export class TaskRoles {
  readonly #emulator: EmulatorClient;

  constructor(emulator: EmulatorClient) {
    this.#emulator = emulator;
  }

  /** As on Fargate, the session's name is the task's id. */
  credentials({ id, origin }: Task): Promise<RoleCredentials> {
    const { taskRoleArn } = origin.taskDefinition;
    if (!taskRoleArn) throw new EcsError('ResourceNotFoundException', 'The task has no role');
    return this.#emulator.assumeRole(taskRoleArn, id);
  }

  /** Throws an EcsError when the task's own role does not allow the agent's call. */
  async allowProtection(task: Task, action: 'GetTaskProtection' | 'UpdateTaskProtection'): Promise<void> {
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

  /** Throws a TaskStartError when the execution role does not allow the pull of an image from ECR. */
  async allowPulls({ id, origin: { taskDefinition } }: Task): Promise<void> {
    const { executionRoleArn, containerDefinitions } = taskDefinition;
    const pulled = new Set(
      containerDefinitions.flatMap(({ image }) => ECR_IMAGE.exec(image)?.slice(1, 4).join(' ') ?? []),
    );
    if (!executionRoleArn || pulled.size === 0) return;
    const { AccessKeyId: as } = await this.#emulator.assumeRole(executionRoleArn, id);
    await this.#emulator.judge({ as, action: 'ecr:GetAuthorizationToken', resource: '*' }).catch(cannotPull);
    for (const [account, region, repository] of [...pulled].map((each) => each.split(' '))) {
      const resource = `arn:aws:ecr:${region}:${account}:repository/${repository}`;
      for (const action of ['ecr:BatchCheckLayerAvailability', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchGetImage']) {
        await this.#emulator.judge({ as, action, resource }).catch(cannotPull);
      }
    }
  }

  /** Throws a TaskStartError when the execution role does not allow the containers' logs. */
  async allowLogs({ arn, id, origin: { taskDefinition } }: Task): Promise<void> {
    const { executionRoleArn, containerDefinitions } = taskDefinition;
    const groups = new Set(
      containerDefinitions.flatMap((each) => each.logConfiguration?.options['awslogs-group'] ?? []),
    );
    if (!executionRoleArn || groups.size === 0) return;
    const { AccessKeyId: as } = await this.#emulator.assumeRole(executionRoleArn, id);
    const place = arn.split(':').slice(3, 5).join(':');
    for (const group of groups) {
      const resource = `arn:aws:logs:${place}:log-group:${group}:log-stream:${id}`;
      for (const action of ['logs:CreateLogStream', 'logs:PutLogEvents']) {
        await this.#emulator.judge({ as, action, resource }).catch(cannotLog);
      }
    }
  }

  /** Read as the execution role. */
  async secretValue({ id, origin }: Task, valueFrom: string): Promise<string> {
    const { executionRoleArn } = origin.taskDefinition;
    const session = executionRoleArn ? await this.#emulator.assumeRole(executionRoleArn, id) : undefined;
    return this.#emulator.secretValue(valueFrom, session && { as: session.AccessKeyId });
  }
}

/** Account, region and repository. */
const ECR_IMAGE = /^(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com\/([^:@]+)/;

function cannotPull(cause: Error): never {
  throw new TaskStartError(`CannotPullECRContainerError: ${cause.name}: ${cause.message}`, { cause });
}

function cannotLog(cause: Error): never {
  const why = `ResourceInitializationError: failed to validate logger args: ${cause.name}: ${cause.message}`;
  throw new TaskStartError(why, { cause });
}
