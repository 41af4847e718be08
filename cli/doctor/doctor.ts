/** Checks everything that must hold for a stack to work; exit code 1 if a check does not pass. */
import { setTimeout as delay } from 'node:timers/promises';
import { UsageError } from '../../deployed/errors.ts';
import type { Common, Shell } from '../shell.ts';
import { NoStackError, openStack, type Stack } from '../../deployed/stacks.ts';
import { placesOf, placing } from '../../deployed/temporal-places.ts';
import { Account, checkFargateQuota, examineAccount } from './account.ts';
import { examineAws } from './aws.ts';
import { unseen, type Check } from './check.ts';
import { examineServices } from './deployment.ts';
import { examineLongWork } from './long-work.ts';
import { asJson, render, summary } from './render.ts';
import { examineReach } from './server.ts';
import { examineTemporal } from './temporal.ts';

interface DoctorOptions extends Common {
  /** Check only what a deployment should wait for or would fail on. */
  pre?: true;
  /** For how many seconds to repeat the checks until all pass. */
  wait?: string | true;
}

const WAIT_SECONDS = 300;
const LOOK_EVERY_MS = 3000;

export async function doctor(shell: Shell, options: DoctorOptions): Promise<void> {
  const seconds = secondsOf(options);
  const { stack, checks } = await untilWell(shell, options, shell.now() + seconds * 1000);
  if (checks.some(({ ok }) => ok !== true)) shell.exitCode = 1;
  if (options.json) {
    return shell.printJson({ stack: stack ?? null, ok: shell.exitCode === 0, checks: checks.map(asJson) });
  }
  shell.print(`${stack === undefined ? 'No stack yet' : `Stack ${stack}`}\n`);
  for (const check of checks) shell.print(render(shell, check));
  shell.print(`\n${summary(checks)}`);
}

function secondsOf({ wait }: DoctorOptions): number {
  if (wait === undefined) return 0;
  const seconds = wait === true ? WAIT_SECONDS : Number(wait);
  if (!(seconds > 0)) throw new UsageError([`--wait must be seconds, such as 300, got '${wait}'`]);
  return seconds;
}

interface Found {
  /** Its id; undefined if there is none yet. */
  stack?: string | undefined;
  checks: Check[];
}

/** Prints what it waits for whenever that changes. Checks once if there is no time to wait. */
async function untilWell(shell: Shell, options: DoctorOptions, giveUpAt: number): Promise<Found> {
  for (let told = ''; ;) {
    const found = await (options.pre ? lookBefore(shell, options) : look(shell, options));
    const open = found.checks.filter(({ ok }) => ok !== true);
    if (open.length === 0 || shell.now() >= giveUpAt || shell.signal.aborted) return found;
    const waits = open.map(({ check, of }) => (of === undefined ? check : `${check} (${of})`)).join(', ');
    if (!options.json && waits !== told) shell.print(`Waiting for ${waits}`);
    told = waits;
    await delay(LOOK_EVERY_MS, undefined, { signal: shell.signal }).catch(() => undefined);
  }
}

async function look(shell: Shell, options: DoctorOptions): Promise<Found> {
  const stack = await openStack(options);
  const now = shell.now();
  const { checks, fleets } = await examineAws(stack, now);
  return { stack: stack.id, checks: [...(await examineTemporal(placesOf(stack, shell.env), fleets, now)), ...checks] };
}

/** The account comes first: without credentials nothing else on AWS can be checked. */
async function lookBefore(shell: Shell, options: DoctorOptions): Promise<Found> {
  const account = new Account();
  const checks = await examineAccount(account);
  if (checks[0]?.ok !== true) return { checks: [...checks, ...(await examineTemporalOf(shell, account))] };
  const stack = await stackIfAny(options);
  const more =
    stack === undefined
      ? [checkFargateQuota(account), examineTemporalOf(shell, account)]
      : [examineLongWork(placesOf(stack, shell.env), shell.now()), examineServices(stack, account)];
  return { stack: stack?.id, checks: [...checks, ...(await Promise.all(more)).flat()] };
}

async function stackIfAny(options: DoctorOptions): Promise<Stack | undefined> {
  try {
    return await openStack(options);
  } catch (error) {
    if (error instanceof NoStackError && options.stack === undefined) return undefined;
    throw error;
  }
}

/** Without a stack, only the environment says where Temporal is. */
async function examineTemporalOf({ env, now }: Shell, account: Account): Promise<Check[]> {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace = 'default' } = env;
  if (!address)
    return [unseen('server', 'not checked: without a stack the address is unknown; set TEMPORAL_ADDRESS=host:port')];
  const { placed, readSecret } = placing(env, account);
  return examineReach(placed({ address, namespace }), readSecret, now());
}
