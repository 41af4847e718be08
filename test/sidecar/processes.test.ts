import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMainProcess, isAlive } from '../../sidecar/processes.ts';
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
  return { ...proc, find: (container?: string) => findMainProcess(proc.directory, OWN, container)?.pid };
}

test('the worker’s main process is the oldest of its container, be it older than ours or younger', () => {
  const { add, find } = namespace();
  expect(find('worker-1')).toBeUndefined();
  add(20, 'worker-1', { startedAt: 500 });
  add(21, 'worker-1', { startedAt: 500, parent: 20 });
  add(22, 'worker-1', { startedAt: 600 });
  expect(find('worker-1')).toBe(20);
});

test('a shell that has started the worker is what is told, as by ECS', () => {
  const { add, find } = namespace();
  add(30, 'worker-1', { name: 'sh' });
  add(31, 'worker-1', { parent: 30, name: 'python worker.py' });
  expect(find('worker-1')).toBe(30);
});

test('another container beside it is never taken for the worker', () => {
  const { add, find } = namespace();
  add(10, 'log-router-3');
  add(11, 'worker-1');
  expect(find('worker-1')).toBe(11);
});

test('before ECS has named the container nobody is taken for it', () => {
  const { add, find } = namespace();
  add(10, 'log-router-3');
  expect(find()).toBeUndefined();
});

test('where control groups name no containers, it is the oldest from outside that is neither ours nor the first', () => {
  const { add, find } = namespace();
  add(40, '..');
  add(41, '..', { parent: 40 });
  expect(find('worker-1')).toBe(40);
  expect(namespace().find('worker-1')).toBeUndefined();
});

test('a name of a process with spaces and parentheses does not confuse', () => {
  const { add, find } = namespace();
  add(50, 'worker-1', { name: 'a) S 1 (b' });
  expect(find('worker-1')).toBe(50);
});

test('neither a zombie nor a later process of the same number is the worker', () => {
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
