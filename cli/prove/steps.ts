/** What a proof does with a deployed pool, in this order; each step returns what it saw, or throws with what it did not see. */
import { UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { quantile } from '../../simulate/score.ts';
import { drainTask } from '../drain.ts';
import { CommandError } from '../../deployed/errors.ts';
import { count } from '../../deployed/words.ts';
import { Shell } from '../shell.ts';
import { cdk } from './cdk.ts';
import type { Evidence } from './course.ts';
import type { Site } from './site.ts';
import { until } from './until.ts';
import type { Held } from './work.ts';

/** Limit of one step. Fargate starts a task within a minute or two; the scaler's schedule first fires after one. */
const LIMIT_SECONDS = 600;
const FEW = 3;
/** Without it, CloudFormation would wait for hours for a service whose tasks do not start. */
const DEPLOY_SECONDS = 1800;

export const STEPS: Record<string, (site: Site) => Promise<Evidence>> = {
  deploy,
  'first task': firstTask,
  'scale in to zero': scaleIn,
  'scale out from zero': scaleOut,
  'drain of a busy task': drainBusy,
  'scale in after work': scaleInAfterWork,
  // Comes last, because the scaler stops no task for some minutes after a deployment.
  'deployment with busy tasks': deployAgain,
  'nothing lost': nothingLost,
};

async function deploy(site: Site): Promise<Evidence> {
  const { env, signal } = site.shell;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(DEPLOY_SECONDS * 1000)]);
  const args = ['--require-approval', 'never', '--progress', 'events'];
  await cdk('deploy', args, site.settings, { env, signal: limited });
  await site.find();
  const resources = site.resources.length;
  return { says: `created the stack with ${count(resources, 'resource')}`, figures: { resources } };
}

/** It may already have been stopped again, because there is no work. */
async function firstTask(site: Site): Promise<Evidence> {
  let reasons: string[] = [];
  const first = await until(
    site.shell,
    'a first task has started',
    LIMIT_SECONDS,
    async () => {
      const tasks = await site.allTasks();
      reasons = tasks.flatMap(({ stoppedReason }) => stoppedReason ?? []);
      return tasks
        .filter(({ startedAt }) => startedAt !== undefined)
        .toSorted((a, b) => Number(a.createdAt) - Number(b.createdAt))[0];
    },
    () => [...new Set(reasons)].join('; '),
  );
  const startUpSeconds = secondsBetween(first.createdAt, first.startedAt);
  return { says: `started ${startUpSeconds} s after ECS created it`, figures: { startUpSeconds } };
}

function secondsBetween(from: Date | undefined, to: Date | undefined): number {
  return rounded((Number(to) - Number(from)) / 1000);
}

function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}

async function scaleIn(site: Site): Promise<Evidence> {
  let standing = '';
  await until(
    site.shell,
    'no task is left',
    LIMIT_SECONDS,
    async () => {
      const { desired, running, pending } = await site.tasks();
      standing = `${desired} desired, ${running.length} running, ${pending.length} starting`;
      return desired + running.length + pending.length === 0 || undefined;
    },
    () => standing,
  );
  return { says: 'a pool without work has no tasks' };
}

async function scaleOut(site: Site): Promise<Evidence> {
  const { shell, work } = site;
  const from = shell.now();
  work.begin();
  let running = 0;
  await until(
    shell,
    'two tasks are running',
    LIMIT_SECONDS,
    async () => {
      running = (await site.tasks()).running.length;
      return running >= 2 || undefined;
    },
    () => `${count(running, 'task')} running, ${count(work.open, 'workflow')} open ${problemsOf(site)}`,
  );
  const secondsUntilTwoTasks = rounded((shell.now() - from) / 1000);
  const secondsUntilWorkBegan = await until(shell, 'the first work has been done', LIMIT_SECONDS, async () => {
    const [first] = await work.outcomes(work.ids.slice(0, 1));
    return first?.waitSeconds === undefined ? undefined : rounded(first.waitSeconds);
  });
  return {
    says: `work that arrived at a pool without tasks began after ${secondsUntilWorkBegan} s; two tasks were running after ${secondsUntilTwoTasks} s`,
    figures: { secondsUntilWorkBegan, secondsUntilTwoTasks },
  };
}

function problemsOf({ work }: Site): string {
  return work.problems.slice(0, 3).join('; ');
}

async function drainBusy(site: Site): Promise<Evidence> {
  const { shell, stack, pool } = site;
  const { running } = await site.tasks();
  const byTask = Map.groupBy(await busy(site), ({ task }) => task);
  const [found] = [...byTask].filter(([id]) => running.includes(id)).toSorted(([, a], [, b]) => b.length - a.length);
  if (found === undefined)
    throw new CommandError(`work is held by none of the pool's tasks, but by ${[...byTask.keys()].join(', ')}`);
  const [task, held] = found;
  const signal = AbortSignal.any([shell.signal, AbortSignal.timeout(LIMIT_SECONDS * 1000)]);
  const limited = new Shell({ ...shell, signal });
  const say = (text: string) => shell.print(`    ${text.trim()}`);
  const stoppedReason = await drainTask(limited, stack, { pool, task }, { wait: true, say });
  if (stoppedReason === undefined) {
    throw new CommandError(shell.signal.aborted ? 'interrupted' : `the task was not gone within ${LIMIT_SECONDS} s`);
  }
  return { says: `stopped: ${stoppedReason}; ${await kept(site, held)}`, figures: { heldByDrained: held.length } };
}

/** The activities that tasks are running, as soon as there are a few. */
function busy({ shell, work }: Site): Promise<Held[]> {
  return until(shell, `${FEW} activities are running`, LIMIT_SECONDS, async () => {
    const held = await work.held();
    return held.length < FEW ? undefined : held;
  });
}

/** Throws if an attempt was lost. */
async function kept({ shell, work }: Site, held: Held[]): Promise<string> {
  const ids = held.map(({ workflowId }) => workflowId);
  const ended = await until(shell, 'their activities are done', LIMIT_SECONDS, async () => {
    const outcomes = await work.outcomes(ids);
    return outcomes.every(({ end }) => end !== 'still open') ? outcomes : undefined;
  });
  const lost = ended.flatMap(({ lostAttempts }) => lostAttempts);
  const what = count(held.length, 'activity', 'activities');
  if (lost.length > 0)
    throw new CommandError(`${what} running, ${count(lost.length, 'attempt')} lost: ${lost.join('; ')}`);
  return `${what} running, each finished in its first attempt`;
}

/** By at least one task. How long the last one is kept is learned from load, so there is no need to wait for it. */
async function scaleInAfterWork(site: Site): Promise<Evidence> {
  const before = (await site.tasks()).running.length;
  await allDone(site);
  const what = `fewer than ${count(before, 'task')} are running`;
  const { running } = await until(site.shell, what, LIMIT_SECONDS, async () => {
    const tasks = await site.tasks();
    return Math.max(tasks.running.length, tasks.desired) < before ? tasks : undefined;
  });
  return {
    says: `from ${count(before, 'task')} at work to ${running.length}; the peak was ${site.peak}`,
    figures: { peakTasks: site.peak },
  };
}

async function allDone({ shell, work }: Site): Promise<void> {
  await work.end();
  const detail = () => `${count(work.open, 'workflow')} open`;
  await until(shell, 'all work is done', LIMIT_SECONDS, async () => work.open === 0 || undefined, detail);
}

async function deployAgain(site: Site): Promise<Evidence> {
  const { shell, stack, pool, work } = site;
  work.begin();
  const held = await busy(site);
  const before = new Set((await site.tasks()).running);
  const request = { cluster: pool.cluster, service: pool.service, forceNewDeployment: true };
  await stack.aws.ecs.send(new UpdateServiceCommand(request));
  let standing = '';
  await until(
    shell,
    'ECS has completed the deployment, and only new tasks are running',
    LIMIT_SECONDS,
    async () => {
      const { running, pending } = await site.tasks();
      const old = [...running, ...pending].filter((task) => before.has(task)).length;
      const states = (await site.deployments()).map(({ status, rolloutState }) => `${status} ${rolloutState}`);
      standing = `${old} old and ${running.length - old} new tasks running; ${states.join(', ')}`;
      return (old === 0 && running.length > 0 && states.join() === 'PRIMARY COMPLETED') || undefined;
    },
    () => standing,
  );
  const says = `${count(before.size, 'task')} replaced; ${await kept(site, held)}`;
  await allDone(site);
  return {
    says,
    figures: { replaced: before.size, heldInDeployment: held.length },
  };
}

/** Attempts that timed out or failed are in the history, whatever happened afterwards. */
async function nothingLost({ work }: Site): Promise<Evidence> {
  const outcomes = await work.outcomes();
  const lost = outcomes.flatMap(({ lostAttempts }) => lostAttempts);
  const completed = outcomes.filter(({ end }) => end === 'completed').length;
  const waits = outcomes.flatMap(({ waitSeconds }) => waitSeconds ?? []).toSorted((a, b) => a - b);
  const [waitP50, waitP95] = [0.5, 0.95].map((share) => rounded(quantile(waits, share)));
  const says =
    `${completed} of ${count(outcomes.length, 'workflow')} completed, ${count(lost.length, 'attempt')} lost; ` +
    `wait until the first activity: p50 ${waitP50} s, p95 ${waitP95} s`;
  const wrong = [...work.problems, ...lost];
  if (completed < outcomes.length || wrong.length > 0)
    throw new CommandError(`${says}: ${wrong.slice(0, 5).join('; ')}`);
  return { says, figures: { workflows: outcomes.length, lostAttempts: 0, waitP50: waitP50!, waitP95: waitP95! } };
}
