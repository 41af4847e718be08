/** Reads the task and its containers from ECS's metadata. */
import { send } from './http.ts';
import type { TaskContainer } from './processes.ts';

const TIMEOUT_MS = 3000;

interface TaskMetadata {
  TaskARN?: string;
  Containers?: { Name?: string; DockerId?: string; KnownStatus?: string }[];
}

/** The task's id, the last part of its ARN. Like all functions here, it throws if there is no answer. */
export async function taskIdOf(metadataUri: string): Promise<string> {
  const { TaskARN } = await metadata(metadataUri);
  if (!TaskARN) throw new Error('the ECS metadata endpoint returned no task');
  return TaskARN.slice(TaskARN.lastIndexOf('/') + 1);
}

export async function containersOf(metadataUri: string): Promise<TaskContainer[]> {
  const { Containers = [] } = await metadata(metadataUri);
  return Containers.map(({ Name = '', DockerId, KnownStatus }) => ({
    name: Name,
    id: DockerId || undefined,
    isRunning: KnownStatus === 'RUNNING',
  }));
}

async function metadata(metadataUri: string): Promise<TaskMetadata> {
  const { status, text } = await send(`${metadataUri}/task`, { timeoutMs: TIMEOUT_MS });
  if (status !== 200) throw new Error(`the ECS metadata endpoint returned HTTP ${status}`);
  return JSON.parse(text) as TaskMetadata;
}
