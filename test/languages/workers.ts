/**
 * Workers in other languages, each prepared from pinned, hash-checked packages in the project's folder `.local/`. Reports
 * which of a language's own tools are missing.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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

/** Each throws an error that says what is missing and how to install it. */
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
    const tools = [await firstThatRuns(['mvn'], ['--version']), await firstThatRuns(['javac'], ['-version'])];
    if (tools.includes(undefined)) {
      throw new Error(
        'Maven or the JDK is not installed: Debian, Ubuntu: apt install maven; macOS: brew install maven',
      );
    }
    const target = join(LOCAL_DIRECTORY, 'worker-java');
    const [jars, classes] = [join(target, 'lib'), join(target, 'classes')];
    rmSync(target, { recursive: true, force: true });
    mkdirSync(classes, { recursive: true });
    onProgress('Fetching what the worker in Java needs, and compiling it');
    await run('mvn', ['--batch-mode', '--quiet', COPY_JARS, '-DincludeScope=runtime', `-DoutputDirectory=${jars}`], {
      cwd: directory,
    });
    checkJars(jars, join(directory, 'jars.sha256'));
    await run('javac', ['-cp', `${jars}/*`, '-d', classes, 'SampleWorker.java'], { cwd: directory });
    const small = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx128m'];
    return { directory, command: ['java', ...small, '-cp', `${classes}:${jars}/*`, 'SampleWorker'] };
  },
};

const COPY_JARS = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** Maven has no hash list. */
function checkJars(jars: string, listed: string): void {
  const hashes = readdirSync(jars)
    .toSorted()
    .map(
      (jar) =>
        `${createHash('sha256')
          .update(readFileSync(join(jars, jar)))
          .digest('hex')}  ${jar}`,
    );
  const expected = readFileSync(listed, 'utf8').trim().split('\n').toSorted();
  const wrong = hashes.filter((line) => !expected.includes(line));
  if (wrong.length > 0 || hashes.length !== expected.length) {
    throw new Error(
      `The jars are not those of ${listed}: ${wrong.join(', ') || `${hashes.length} instead of ${expected.length}`}`,
    );
  }
}

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
