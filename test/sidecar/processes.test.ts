import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMainProcess, isAlive, type TaskContainer } from '../../sidecar/processes.ts';
import { fakeProc } from './fake-proc.ts';

const directory = mkdtempSync(join(tmpdir(), 'proc-'));
const PAUSE = 1;
const OWN = 7;
let count = 0;

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A task's namespace: the pause container's process, and ours. */
function namespace() {
  const proc = fakeProc(join(directory, `${(count += 1)}`));
  proc.add(PAUSE, 'pause');
  proc.add(OWN, 'sidecar-2');
  const named = { id: 'worker-1', isRunning: true };
  const find = (worker: Partial<TaskContainer> = named) => {
    const containers = [
      { name: 'protect', id: 'protect-0', isRunning: false },
      { name: 'sidecar', id: 'sidecar-2', isRunning: true },
      { name: 'worker', ...named, ...worker },
    ];
    return findMainProcess(proc.directory, OWN, containers, 'worker')?.pid;
  };
  return { ...proc, find };
}

test('the worker’s main process is the oldest in its container, whatever runs in others', () => {
  const { add, find } = namespace();
  add(10, 'protect-0');
  add(11, 'log-router-3');
  expect(find()).toBeUndefined();
  add(20, 'worker-1', { startedAt: 500 });
  add(21, 'worker-1', { startedAt: 500, parent: 20 });
  add(22, 'worker-1', { startedAt: 600 });
  expect(find()).toBe(20);
});

test('a shell that started the worker gets the signal, as from ECS', () => {
  const { add, find } = namespace();
  add(30, 'worker-1', { name: 'sh' });
  add(31, 'worker-1', { parent: 30, name: 'python worker.py' });
  expect(find()).toBe(30);
});

test('no process is taken for the worker before ECS has created its container', () => {
  const { add, find } = namespace();
  add(10, 'log-router-3');
  expect(find({ id: undefined, isRunning: false })).toBeUndefined();
});

describe('if control groups name no containers', () => {
  function nameless() {
    const { directory: proc, add, remove } = fakeProc(join(directory, `${(count += 1)}`));
    add(PAUSE, '..');
    add(OWN, '..');
    const find = (isRunning = true) =>
      findMainProcess(proc, OWN, [{ name: 'worker', id: 'worker-1', isRunning }], 'worker')?.pid;
    return { add, remove, find };
  }

  test('the worker is the only other process from outside, once ECS reports it running', () => {
    const { add, find } = nameless();
    add(40, '..');
    add(41, '..', { parent: 40 });
    expect(find(false)).toBeUndefined();
    expect(find()).toBe(40);
  });

  test('no process is chosen among several, because a wrong one must not get the signal', () => {
    const { add, find } = nameless();
    add(40, '..');
    add(50, '..');
    expect(find()).toBeUndefined();
  });
});

test('a process name with spaces and parentheses is parsed', () => {
  const { add, find } = namespace();
  add(50, 'worker-1', { name: 'a) S 1 (b' });
  expect(find()).toBe(50);
});

test('neither a zombie nor a later process with the same id is the worker', () => {
  const { add, remove, directory: proc } = namespace();
  add(60, 'worker-1', { startedAt: 600 });
  const main = { pid: 60, startedAt: 600 };
  expect(isAlive(proc, main)).toBe(true);
  add(60, 'worker-1', { startedAt: 600, state: 'Z' });
  expect(isAlive(proc, main)).toBe(false);
  add(60, 'other', { startedAt: 700 });
  expect(isAlive(proc, main)).toBe(false);
  remove(60);
  expect(isAlive(proc, main)).toBe(false);
});
