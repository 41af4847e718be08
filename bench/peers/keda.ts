/**
 * KEDA's own Temporal scaler with Kubernetes' own horizontal autoscaler: keda/main.go, built by this machine's Go into the project's
 * ignored folder. It prints how many tasks there shall be, and the ECS service is set to that.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { plainEnvironment } from '../../local/process.ts';
import { LOCAL_DIRECTORY } from '../../local/tools.ts';
import { KEDA_TUNED, type KedaSettings } from '../../simulate/peers.ts';
import { LONG_GRACE_SECONDS, SHORT_GRACE_SECONDS, type PeerPolicy } from './policy.ts';
import { startProgram } from './program.ts';
import { LOGS, setDesired, type Fleet, type Stage } from './stage.ts';

const SOURCE = join(import.meta.dirname, 'keda');
const EXECUTABLE = join(LOCAL_DIRECTORY, 'peers', 'keda');

export const keda = kedaWith('KEDA', 'keda', SHORT_GRACE_SECONDS, () => ({}));
export const kedaTuned = kedaWith('KEDA, tuned', 'keda-tuned', LONG_GRACE_SECONDS, KEDA_TUNED);

/** Built where it has not been; why not, where there is no Go. */
export async function buildKeda(onProgress: (line: string) => void): Promise<string | undefined> {
  const run = promisify(execFile);
  const found = await run('go', ['version']).catch(() => undefined);
  if (found === undefined)
    return 'KEDA is left out: there is no Go toolchain on the PATH. Install Go 1.26 or newer to have it compared, too.';
  onProgress('Building KEDA (the first time, this fetches its modules and takes some minutes)');
  mkdirSync(join(LOCAL_DIRECTORY, 'peers'), { recursive: true });
  try {
    await run('go', ['build', '-o', EXECUTABLE, '.'], { cwd: SOURCE, maxBuffer: 2 ** 24 });
    return undefined;
  } catch (error) {
    return `KEDA is left out: it could not be built. Run \`go build\` in ${SOURCE} to see why: ${(error as Error).message.slice(0, 300)}`;
  }
}

/** By module. */
export function kedaVersions(): Record<string, string> {
  const modules = readFileSync(join(SOURCE, 'go.mod'), 'utf8');
  const versionOf = (module: string) => new RegExp(`^\\s*${module} (v\\S+)`, 'm').exec(modules)?.[1] ?? 'unknown';
  return { KEDA: versionOf('github.com/kedacore/keda/v2'), Kubernetes: versionOf('k8s.io/kubernetes') };
}

function kedaWith(
  title: string,
  model: string,
  graceSeconds: number,
  settingsOf: (fleet: Fleet) => Partial<KedaSettings>,
): PeerPolicy {
  return {
    title,
    model,
    fleet: () => ({ graceSeconds }),
    start: async (stage, fleet) => start(stage, fleet, settingsOf(fleet)),
  };
}

function start(stage: Stage, fleet: Fleet, settings: Partial<KedaSettings>): () => Promise<void> {
  const { pollSeconds, cooldownSeconds, target, downStabilizationSeconds } = settings;
  const flags = {
    address: stage.address,
    namespace: stage.namespace,
    'task-queue': fleet.name,
    min: fleet.minTasks,
    max: fleet.maxTasks,
    poll: pollSeconds,
    cooldown: cooldownSeconds,
    target,
    'down-stabilization': downStabilizationSeconds,
  };
  const given = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  // One after the other: the newest number is the last to be set.
  let setting = Promise.resolve();
  const stop = startProgram({
    name: `KEDA of ${fleet.name}`,
    command: EXECUTABLE,
    args: given,
    environment: { ...plainEnvironment(), GOMAXPROCS: '1' },
    logFile: join(LOGS, `${fleet.name}.log`),
    onLine: (line) => {
      const { desired } = JSON.parse(line) as { desired: number };
      setting = setting.then(() => setDesired(stage, fleet.name, desired)).catch(console.error);
    },
  });
  return async () => {
    await stop();
    await setting;
  };
}
