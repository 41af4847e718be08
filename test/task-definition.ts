/** A worker's task definition, in the form that the construct creates. */
import type { RegisterTaskDefinitionCommandInput } from '@aws-sdk/client-ecs';
import { sidecarCommand } from '../contract/sidecar.ts';

/** The image for which local Fargate runs the built sidecar (dist/sidecar). */
export const SIDECAR_IMAGE = 'example.test/sidecar:1';

export interface TestedTask {
  family: string;
  image: string;
  command: string[];
  stopTimeout: number;
  environment: Record<string, string>;
  /** Adds the sidecar to the worker (infra/sidecar-containers.ts). */
  sidecar?: { stateTable: string; taskRoleId: string };
}

export function taskDefinitionOf(task: TestedTask): RegisterTaskDefinitionCommandInput {
  const { family, image, command, stopTimeout, environment, sidecar } = task;
  const worker = { name: 'worker', image, command, stopTimeout, environment: variables(environment) };
  const shared = {
    family,
    cpu: '256',
    memory: '512',
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
  } satisfies Partial<RegisterTaskDefinitionCommandInput>;
  if (sidecar === undefined) return { ...shared, containerDefinitions: [worker] };
  const ours = {
    image: SIDECAR_IMAGE,
    essential: false,
    environment: variables({
      ELASTIC_WORKERS_POOL: family,
      ELASTIC_WORKERS_STATE_TABLE: sidecar.stateTable,
      ELASTIC_WORKERS_TASK_ROLE_ID: sidecar.taskRoleId,
      ELASTIC_WORKERS_CORDON_POLL_SECONDS: '1',
      MALLOC_ARENA_MAX: '1',
    }),
  };
  const dependsOn = [
    { containerName: 'protect', condition: 'SUCCESS' as const },
    { containerName: 'sidecar', condition: 'START' as const },
  ];
  return {
    ...shared,
    pidMode: 'task',
    containerDefinitions: [
      { ...worker, dependsOn },
      { ...ours, name: 'protect', command: sidecarCommand('protect') },
      { ...ours, name: 'sidecar', command: sidecarCommand('follow'), stopTimeout },
    ],
  };
}

function variables(environment: Record<string, string>) {
  return Object.entries(environment).map(([name, value]) => ({ name, value }));
}
