/**
 * Finds the worker's main process among those of the task, which share a process namespace (`pidMode: task`).
 *
 * The task's metadata has the id of the worker's container, and a process's control group names the container it is in. The
 * container's main process is its oldest one: ECS itself sends SIGTERM to this process, be it a worker or the shell that started
 * one. If control groups name no containers, it is the only process that was started from outside the namespace besides the
 * namespace's first and our own. If there are several, none is chosen: SIGTERM must not reach the wrong one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A container of the task, as ECS describes it. It has an id once the container is created. */
export interface TaskContainer {
  name: string;
  id: string | undefined;
  isRunning: boolean;
}

/** A process, distinguished from a later one with the same id. */
export interface MainProcess {
  pid: number;
  /** In clock ticks since the machine's start. */
  startedAt: number;
}

interface Seen extends MainProcess {
  parent: number;
  controlGroup: string;
}

export function findMainProcess(
  proc: string,
  ownPid: number,
  containers: TaskContainer[],
  name: string,
): MainProcess | undefined {
  const worker = containers.find((container) => container.name === name);
  if (worker?.id === undefined) return undefined;
  const processes = readdirSync(proc)
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => seen(proc, Number(entry)) ?? []);
  const isIn = ({ controlGroup }: Seen, { id }: TaskContainer) => id !== undefined && controlGroup.includes(id);
  const areNamed = processes.some((process) => containers.some((container) => isIn(process, container)));
  const found = areNamed ? oldest(processes.filter((process) => isIn(process, worker))) : onlyOther(processes, ownPid);
  return found && (areNamed || worker.isRunning) ? { pid: found.pid, startedAt: found.startedAt } : undefined;
}

/** Whether it is still running; a zombie is not. */
export function isAlive(proc: string, { pid, startedAt }: MainProcess): boolean {
  return stateOf(proc, pid)?.startedAt === startedAt;
}

function oldest(processes: Seen[]): Seen | undefined {
  return processes.toSorted(
    (a, b) => Number(a.parent !== 0) - Number(b.parent !== 0) || a.startedAt - b.startedAt || a.pid - b.pid,
  )[0];
}

function onlyOther(processes: Seen[], ownPid: number): Seen | undefined {
  const others = processes.filter(({ pid, parent }) => parent === 0 && pid > 1 && pid !== ownPid);
  return others.length === 1 ? others[0] : undefined;
}

function seen(proc: string, pid: number): Seen | undefined {
  const state = stateOf(proc, pid);
  const controlGroup = read(join(proc, `${pid}`, 'cgroup'));
  return state && controlGroup !== undefined ? { ...state, controlGroup } : undefined;
}

/** The name, in parentheses, may contain anything. (Source: man 5 proc, `/proc/pid/stat`: state 3, ppid 4, starttime 22.) */
function stateOf(proc: string, pid: number): (MainProcess & { parent: number }) | undefined {
  const text = read(join(proc, `${pid}`, 'stat'));
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, parent: Number(fields[1]), startedAt: Number(fields[19]) };
}

/** Undefined if the process has ended meanwhile. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
