/** A lock between processes, for work that two must not do at once, such as downloading the same tools. */
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_AGAIN_MS = 200;
const TOUCH_EVERY_MS = 1000;
/** A holder touches the lock often; one that has not for this long is gone, whichever process has its id now. */
const LEFT_BEHIND_AFTER_MS = 10_000;

/** The lock is a file with the id of the process that holds it; a lock left behind no longer counts. */
export async function withLock<T>(file: string, onWait: (holder: number) => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const own = `${process.pid} ${randomUUID()}`;
  await take(file, own, onWait);
  const touching = setInterval(() => touch(file), TOUCH_EVERY_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(touching);
    if (look(file)?.text === own) rmSync(file, { force: true });
  }
}

async function take(file: string, own: string, onWait: (holder: number) => void): Promise<void> {
  let seen: Held | undefined;
  let since = 0;
  let told = false;
  while (!isTaken(file, own)) {
    const held = look(file);
    if (held === undefined) continue;
    if (held.touchedAt !== seen?.touchedAt || held.text !== seen.text) since = performance.now();
    seen = held;
    const holder = Number.parseInt(held.text);
    if (!isRunning(holder) || performance.now() - since >= LEFT_BEHIND_AFTER_MS) discard(file, held.text);
    else {
      if (!told) onWait(holder);
      told = true;
      await delay(LOOK_AGAIN_MS);
    }
  }
}

/** Created atomically with its content: written under another name first, which becomes the lock unless there is one. */
function isTaken(file: string, own: string): boolean {
  const written = `${file}.${randomUUID()}`;
  writeFileSync(written, own);
  try {
    return isLinked(written, file);
  } finally {
    rmSync(written);
  }
}

function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** If two processes find it left behind, the second may take it from the first, which already holds it: it gives it back. */
function discard(file: string, text: string): void {
  const taken = `${file}.${randomUUID()}`;
  try {
    renameSync(file, taken);
  } catch {
    return;
  }
  if (look(taken)?.text !== text) isLinked(taken, file);
  rmSync(taken, { force: true });
}

interface Held {
  text: string;
  touchedAt: number;
}

function look(file: string): Held | undefined {
  try {
    return { text: readFileSync(file, 'utf8'), touchedAt: statSync(file).mtimeMs };
  } catch {
    return undefined;
  }
}

function touch(file: string): void {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // Taken over, because this process was suspended for too long.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
