/** The services of the modeled ECS and their tasks, as they truly are. */
import type { CapacityShare } from '../../local/fargate/capacity.ts';
import type { RestartBackoff } from '../../local/fargate/restart-backoff.ts';
import type { Cause } from './temporal.ts';

/** What runs in a task. */
export interface Container {
  readonly usedSlots: number;
  /** SIGTERM. */
  terminate(cause: Cause): void;
  /** SIGKILL, or the machine is gone. */
  kill(cause: Cause): void;
}

export interface SimulatedTask {
  id: string;
  number: number;
  service: Service;
  /** The deployment that started it. */
  deployment: number;
  revision: number;
  zone: string;
  capacityProvider: string | undefined;
  createdAt: number;
  startedAt: number | undefined;
  state: 'pending' | 'running' | 'stopping' | 'stopped';
  /** Why it is stopping. */
  cause: Cause | undefined;
  protectedUntil: number;
  /** ECS has refused to protect it, since old tasks are. */
  blocked: boolean;
  container: Container | undefined;
}

export interface Service {
  name: string;
  index: number;
  pool: string;
  exists: boolean;
  desired: number;
  /** The newest one's id; it may keep the revision. */
  deployment: number;
  revision: number;
  strategy: CapacityShare[];
  /** The newest revision whose tasks came up. */
  goodRevision: number;
  badRevisions: Set<number>;
  failures: number;
  tasks: SimulatedTask[];
  launched: number;
  backoff: RestartBackoff;
  reconciling: boolean;
}

/** Tasks that are not being stopped. */
export function live(service: Service): SimulatedTask[] {
  return service.tasks.filter(({ state }) => state === 'pending' || state === 'running');
}

export function addressOf({ number, service }: SimulatedTask): string {
  return `10.${service.index}.${number >> 8}.${number & 255}`;
}
