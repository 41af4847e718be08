/**
 * Workers in other languages, each made ready from pinned, hash-checked packages in the project's folder `.local/`. Where the
 * language's own tools are missing, it is said which.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensurePython, LOCAL_DIRECTORY } from '../../local/tools.ts';

export interface ForeignWorkerProgram {
  directory: string;
  command: string[];
}

type Prepare = (onProgress: (line: string) => void) => Promise<ForeignWorkerProgram>;

const HERE = import.meta.dirname;
const run = promisify(execFile);

/** Each throws with what is missing, and how to have it. */
export const LANGUAGES: Record<string, Prepare> = {
  async python(onProgress) {
    const directory = join(HERE, 'python');
    const venv = join(LOCAL_DIRECTORY, 'venv-worker');
    const python = await ensurePython(join(directory, 'requirements.txt'), 'temporalio', venv, onProgress);
    return { directory, command: [python, '-B', 'worker.py'] };
  },

  async go(onProgress) {
    const directory = join(HERE, 'go');
    const go = await firstThatRuns(['go', '/usr/local/go/bin/go'], ['version']);
    if (go === undefined)
      throw new Error('Go is not installed: https://go.dev/dl, the version that test/languages/go/go.mod names');
    const worker = join(LOCAL_DIRECTORY, 'worker-go');
    onProgress('Building the worker in Go');
    await run(go, ['build', '-mod=readonly', '-o', worker, '.'], { cwd: directory });
    return { directory, command: [worker] };
  },

  async java(onProgress) {
    const directory = join(HERE, 'java');
    const maven = await firstThatRuns(['mvn'], ['--version']);
    if (maven === undefined)
      throw new Error(
        'Maven, or the JDK it needs, is not installed: Debian, Ubuntu: apt install maven; macOS: brew install maven',
      );
    const target = join(LOCAL_DIRECTORY, 'worker-java');
    mkdirSync(target, { recursive: true });
    onProgress('Building the worker in Java');
    await run(maven, ['--batch-mode', '--quiet', '--strict-checksums', `-Dtarget=${target}`, 'package'], {
      cwd: directory,
    });
    const lib = join(target, 'lib');
    if (!existsSync(lib)) throw new Error(`Maven has left no libraries in ${lib}: remove ${target} and try again`);
    const limits = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx128m', '-Xshare:auto'];
    return { directory, command: ['java', ...limits, '-cp', `${join(target, 'classes')}:${lib}/*`, 'SampleWorker'] };
  },
};

async function firstThatRuns(names: string[], args: string[]): Promise<string | undefined> {
  for (const name of names) {
    const works = await run(name, args).then(
      () => true,
      () => false,
    );
    if (works) return name;
  }
  return undefined;
}
