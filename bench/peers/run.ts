/**
 * One load on the fleets of several policies side by side: the same work with the same gaps, each fleet with a task queue of its own.
 */
import { loadavg } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { ActivityExecutionAlreadyStartedError, isGrpcServiceError, ServiceError } from '@temporalio/client';
import type { TaskSummary } from '../../local/fargate/index.ts';
import { horizonOf, LEAST_BILLED_SECONDS, type Work } from '../../simulate/model.ts';
import { PEER_LOADS, PEER_TAIL_SECONDS } from '../../simulate/peer-loads.ts';
import type { RealRun } from '../../simulate/real-peers.ts';
import { quantile } from '../../simulate/score.ts';
import { figuresOf, HEARTBEAT_SECONDS, readAttempts } from './attempts.ts';
import type { PeerPolicy } from './policy.ts';
import { createFleet, deleteService, fleetOf, type Fleet, type Stage } from './stage.ts';

/** Until a task that is there before the load is up. */
const SETTLED_SECONDS = 70;
/** From one fleet's first work to the next fleet's: a burst on all fleets at the same moment keeps the server from answering. */
const APART_SECONDS = 6;
/** From the last work of a load to the next load on the same servers: most of the work is done by then, and fleets only shrink. */
const QUIET_AFTER_SECONDS = 80;
/** Work that is started later than this after its time, or an activity that takes so much longer: the machine was too slow. */
const LATE_SECONDS = 2;
/** The server does not answer for this long: heartbeats come too late then, and attempts end that nobody has stopped. */
const LONGEST_ANSWER_SECONDS = HEARTBEAT_SECONDS / 2;
const SAMPLE_SECONDS = 5;
/** As in google.rpc.Code. */
const DEADLINE_EXCEEDED = 4;

interface Contestant {
  policy: string;
  fleet: Fleet;
  stop: () => Promise<void>;
}

/** A load with one draw of its work. */
export interface Cell {
  load: string;
  seed: number;
}

/** A load with the fleets that wait for it. */
interface Prepared extends Cell {
  contestants: Contestant[];
}

export async function prepare(
  stage: Stage,
  { load, seed }: Cell,
  policies: Record<string, PeerPolicy>,
): Promise<Prepared> {
  const begun = Object.entries(policies).map(async ([policy, { fleet: parts, start }]): Promise<Contestant> => {
    const name = `${policy}-${load}-${seed}`;
    const fleet = fleetOf(name, parts(name));
    await createFleet(stage, fleet);
    return { policy, fleet, stop: await start(stage, fleet) };
  });
  const [contestants] = await Promise.all([Promise.all(begun), wait(SETTLED_SECONDS * 1000)]);
  return { load, seed, contestants };
}

/** How long a load occupies its servers until the next may begin, with this many fleets. */
export function busySecondsOf({ load, seed }: Cell, fleets: number): number {
  const lastArrival = PEER_LOADS[load]!.draw(seed).at(-1)!.arrivalSeconds;
  return lastArrival + (fleets - 1) * APART_SECONDS + QUIET_AFTER_SECONDS;
}

/** `quiet`: the next load may begin. */
export function runLoad(stage: Stage, prepared: Prepared): { quiet: Promise<void>; runs: Promise<RealRun[]> } {
  const { contestants, ...cell } = prepared;
  const firstAt = Date.now() + 1000;
  const watch = watchMachine(stage, `${cell.load}-${cell.seed}`);
  const runs = contestants.map((contestant, index) =>
    runFleet(stage, cell, contestant, firstAt + index * APART_SECONDS * 1000, watch),
  );
  return { quiet: wait(busySecondsOf(cell, contestants.length) * 1000), runs: Promise.all(runs).finally(watch.end) };
}

async function runFleet(
  stage: Stage,
  { load, seed }: Cell,
  contestant: Contestant,
  startedAt: number,
  watch: MachineWatch,
): Promise<RealRun> {
  const { policy, fleet } = contestant;
  const work = PEER_LOADS[load]!.draw(seed);
  const endsAt = startedAt + horizonOf(work, PEER_TAIL_SECONDS) * 1000;
  const lateness = await startWork(stage, fleet, work, startedAt);
  await wait(Math.max(0, endsAt - Date.now()));
  const tasks = [...stage.tasks.values()].filter(({ service }) => service === fleet.name);
  const attempts = readAttempts(tasks.map(({ logFile }) => logFile));
  const { lastDoneAt, overrunP95, ...figures } = figuresOf(work, attempts, startedAt, endsAt);
  const lateP95 = quantile(
    lateness.toSorted((a, b) => a - b),
    0.95,
  );
  const { loadAverage, slowestAnswer } = watch.between(startedAt, lastDoneAt);
  const run = {
    load,
    seed,
    policy,
    ...figures,
    ...fleetFigures(tasks, startedAt, endsAt, lastDoneAt),
    loadAverage,
    isLate: Math.max(lateP95, overrunP95) > LATE_SECONDS || slowestAnswer > LONGEST_ANSWER_SECONDS,
  };
  await dissolve(stage, contestant);
  return run;
}

async function dissolve(stage: Stage, { fleet, stop }: Contestant): Promise<void> {
  await stop();
  await deleteService(stage, fleet.name);
}

/** How late each was accepted, in seconds. */
async function startWork(stage: Stage, fleet: Fleet, work: readonly Work[], startedAt: number): Promise<number[]> {
  const late: Promise<number>[] = [];
  for (const [index, { arrivalSeconds, serviceSeconds }] of work.entries()) {
    const due = startedAt + arrivalSeconds * 1000;
    if (due > Date.now()) await wait(due - Date.now());
    const accepted = untilAccepted(() =>
      stage.client.activity.start('work', {
        id: `${fleet.name}-${index}`,
        taskQueue: fleet.name,
        args: [index, Math.round(serviceSeconds * 1000)],
        startToCloseTimeout: '10 minutes',
        heartbeatTimeout: HEARTBEAT_SECONDS * 1000,
        retry: { initialInterval: '1 second', maximumInterval: '5 seconds' },
      }),
    );
    late.push(accepted.then(() => (Date.now() - due) / 1000));
  }
  return Promise.all(late);
}

/** A start that a busy server does not answer in time is sent again, with the same id; how late it was is counted. */
async function untilAccepted(start: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await start();
      return;
    } catch (error) {
      if (error instanceof ActivityExecutionAlreadyStartedError) return;
      if (!(error instanceof ServiceError && isTimeout(error.cause))) throw error;
    }
  }
}

function isTimeout(cause: unknown): boolean {
  return isGrpcServiceError(cause) && cause.code === DEADLINE_EXCEEDED;
}

/** Of the time from the load's start: what the fleet cost before is nobody's. */
function fleetFigures(tasks: TaskSummary[], startedAt: number, endsAt: number, lastDoneAt: number) {
  const entered = (task: TaskSummary, status: string) => task.history.find((entry) => entry.status === status)?.at;
  const lives = tasks
    .map((task) => ({
      ordered: Math.max(startedAt, entered(task, 'PROVISIONING') ?? endsAt),
      pulled: entered(task, 'PENDING'),
      stopped: Math.min(endsAt, entered(task, 'STOPPED') ?? Infinity),
    }))
    .filter(({ stopped }) => stopped > startedAt);
  // Fargate bills from the pull of the image: a task that is stopped before costs nothing.
  const billed = lives.map(({ pulled = Infinity, stopped }) =>
    pulled < stopped ? Math.max(LEAST_BILLED_SECONDS, (stopped - Math.max(pulled, startedAt)) / 1000) : 0,
  );
  const alive = (at: number) => lives.filter(({ ordered, stopped }) => ordered <= at && at < stopped).length;
  const lastStopped = Math.max(startedAt, ...lives.map(({ stopped }) => stopped));
  return {
    billedSeconds: billed.reduce((sum, seconds) => sum + seconds, 0),
    peakTasks: Math.max(0, ...lives.map(({ ordered }) => alive(ordered))),
    /** Null: not within the watch. */
    zeroSeconds: lastStopped >= endsAt ? null : Math.max(0, lastStopped - lastDoneAt) / 1000,
  };
}

interface MachineWatch {
  /** The mean load average and the slowest answer of the server, between two times. */
  between(from: number, to: number): { loadAverage: number; slowestAnswer: number };
  end(): void;
}

/** Samples the load average, and how long the server takes to store something. */
function watchMachine(stage: Stage, name: string): MachineWatch {
  const samples: { at: number; loadAverage: number; answered: boolean; seconds: number }[] = [];
  const sample = async (): Promise<void> => {
    const at = Date.now();
    const own = { at, loadAverage: loadavg()[0]!, answered: false, seconds: 0 };
    samples.push(own);
    try {
      await untilAccepted(() =>
        stage.client.activity.start('nothing', {
          id: `probe-${name}-${at}`,
          taskQueue: 'probes',
          scheduleToCloseTimeout: '1 second',
        }),
      );
    } catch {
      // Any other error than a late answer counts as no answer.
      return;
    }
    Object.assign(own, { answered: true, seconds: (Date.now() - at) / 1000 });
  };
  const timer = setInterval(() => void sample(), SAMPLE_SECONDS * 1000);
  void sample();
  return {
    between(from, to) {
      const own = samples.filter(({ at }) => from - SAMPLE_SECONDS * 1000 <= at && at <= to);
      const answers = own.map(({ answered, at, seconds }) => (answered ? seconds : (Date.now() - at) / 1000));
      const total = own.reduce((sum, { loadAverage }) => sum + loadAverage, 0);
      return { loadAverage: total / own.length, slowestAnswer: Math.max(0, ...answers) };
    },
    end: () => clearInterval(timer),
  };
}
