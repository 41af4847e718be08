/**
 * Finds the worker's main process among those of the task, which share a process namespace (`pidMode: task`).
 *
 * ECS says in the task's metadata which id the worker's container has, and a process's control group names the container it is
 * in. The container's main process is the oldest one there: it is the one that ECS itself sends SIGTERM to, be it a
 * worker or the shell that started one. Where control groups do not name containers, it is the oldest process that was
 * started from outside the namespace, is in no control group of ours, and is not the namespace's first.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A process, told apart from a later one with the same number. */
export interface MainProcess {
  pid: number;
  /** In clock ticks since the machine's start. */
  startedAt: number;
}

interface Seen extends MainProcess {
  parent: number;
  controlGroup: string;
}

/** `containerId` is undefined as long as ECS has not named the container. */
export function findMainProcess(
  proc: string,
  ownPid: number,
  containerId: string | undefined,
): MainProcess | undefined {
  const processes = readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => seen(proc, Number(name)) ?? []);
  const own = processes.find(({ pid }) => pid === ownPid);
  if (own === undefined || containerId === undefined) return undefined;
  const named = processes.filter(({ controlGroup }) => controlGroup.includes(containerId));
  const others = processes.filter(
    ({ pid, parent, controlGroup }) => pid > 1 && parent === 0 && controlGroup !== own.controlGroup,
  );
  const [oldest] = (named.length > 0 ? named : others).toSorted(
    (a, b) => Number(a.parent !== 0) - Number(b.parent !== 0) || a.startedAt - b.startedAt || a.pid - b.pid,
  );
  return oldest && { pid: oldest.pid, startedAt: oldest.startedAt };
}

/** Whether it is still there; a zombie is not. */
export function isAlive(proc: string, { pid, startedAt }: MainProcess): boolean {
  return stateOf(proc, pid)?.startedAt === startedAt;
}

function seen(proc: string, pid: number): Seen | undefined {
  const state = stateOf(proc, pid);
  const controlGroup = read(join(proc, `${pid}`, 'cgroup'));
  return state && controlGroup !== undefined ? { ...state, controlGroup } : undefined;
}

/** The name, in parentheses, may hold anything. (Source: man 5 proc, `/proc/pid/stat`: state 3, ppid 4, starttime 22.) */
function stateOf(proc: string, pid: number): (MainProcess & { parent: number }) | undefined {
  const text = read(join(proc, `${pid}`, 'stat'));
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, parent: Number(fields[1]), startedAt: Number(fields[19]) };
}

/** Undefined for a process that has gone meanwhile. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
