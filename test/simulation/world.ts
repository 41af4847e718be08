/**
 * A world: a Lambda that scales a few pools of workers, and all that it stands on, from one seed. It lives for some hours
 * with faults, then for as long as it needs to come to rest without any. Equal options give an equal history.
 */
import { cordonKey } from '../../contract/state-table.ts';
import { seeded } from '../../simulate/random.ts';
import { Answers } from './answers.ts';
import { Arrivals } from './arrivals.ts';
import { Checks } from './checks.ts';
import { Ecs } from './ecs.ts';
import { live } from './ecs-services.ts';
import { FaultEffects, LONGEST_WORK_MS } from './fault-effects.ts';
import { drawFaults, Faults, MINUTES_BETWEEN_FAULTS } from './faults.ts';
import { Invocations } from './invocations.ts';
import { drawScenario } from './scenario.ts';
import { Table } from './table.ts';
import { HOUR, MINUTE, VirtualTime } from './time.ts';
import { Trace } from './trace.ts';
import { Workers } from './workers.ts';
import type { WorldOptions, WorldResult } from './world-options.ts';
import type { World } from './world-parts.ts';

/** After the last fault, work keeps arriving for the first of these; then the world must come to rest within the second. */
const LAST_ARRIVALS_MS = 20 * MINUTE;
const REST_WITHIN_MS = 4 * HOUR;

export async function simulateWorld(options: WorldOptions): Promise<WorldResult> {
  return new SimulatedWorld(options).run();
}

class SimulatedWorld {
  readonly #trace: Trace;
  readonly #world: World;
  readonly #workers: Workers;
  readonly #answers: Answers;
  readonly #invocations: Invocations;
  readonly #arrivals: Arrivals;
  readonly #effects: FaultEffects;

  constructor(options: WorldOptions) {
    this.#trace = new Trace(options.print);
    this.#world = this.#create(options);
    this.#workers = new Workers(this.#world);
    this.#arrivals = new Arrivals(this.#world);
    this.#answers = new Answers(this.#world, (invocation) => this.#invocations.isOfRival(invocation));
    this.#invocations = new Invocations(this.#world, this.#answers);
    this.#effects = new FaultEffects(this.#world, this.#arrivals, this.#invocations);
    for (const plan of this.#world.scenario.pools) this.#arrivals.addPool(plan);
  }

  #create(options: WorldOptions): World {
    const [time, faults] = [new VirtualTime(), new Faults()];
    const note = (what: string) => this.#trace.add(time.now, what);
    const random = (name: string) => seeded(options.seed * 7919 + hashOf(name));
    const luck = random('luck');
    const scenario = drawScenario(random('scenario'));
    const table = new Table({
      onWrite: (key, item) => {
        this.#answers.itemWritten(key, item);
        this.#workers.itemWritten(key);
      },
      leavesSome: () => faults.active('table.throttled') && luck() < 0.3,
      honoursConditions: options.mutant !== 'the memory is written without its condition',
    });
    const isCordoned = (pool: string, task: string) => table.has(cordonKey(`AROA${pool}`, task));
    const checks = new Checks(time, faults, isCordoned, options.twoScalers === true);
    const ecs = new Ecs({
      time,
      random: random('ecs'),
      faults,
      start: (task) => this.#workers.start(task),
      tellsDeployments: options.mutant !== 'a deployment is identified by its task definition only',
      honoursProtection: options.mutant !== 'ECS ignores protection',
      pageSize: scenario.pageSize,
      paginates: options.mutant !== 'a listing ends after its first page',
      trace: note,
    });
    const counts = { ticks: 0, invocations: 0, scaleIns: 0, taskMs: 0, works: 0 };
    return { options, time, scenario, faults, pools: new Map(), ecs, table, checks, counts, luck, random, note };
  }

  async run(): Promise<WorldResult> {
    const { options, time, pools, checks, random } = this.#world;
    const begin = time.now;
    const quiet = begin + options.hours * HOUR;
    const plan = {
      pools: [...pools.keys()],
      from: begin + 10 * MINUTE,
      to: quiet,
      minutesBetween: options.minutesBetweenFaults ?? MINUTES_BETWEEN_FAULTS,
      only: options.faults,
    };
    for (const fault of drawFaults(random('faults'), plan)) {
      time.at(fault.from, () => this.#effects.begin(fault));
      if (fault.to > fault.from) time.at(fault.to, () => this.#effects.end(fault));
    }
    this.#invocations.schedule();
    this.#countTasks();
    const broken = () => options.untilBroken === true && checks.violations.length > 0;
    await time.runUntil(quiet, broken);
    this.#arrivals.end = quiet + LAST_ARRIVALS_MS;
    await time.runUntil(this.#arrivals.end, broken);
    const longest = this.#effects.counts['work.nineHours'] ? LONGEST_WORK_MS : 0;
    await time.runUntil(quiet + longest + REST_WITHIN_MS, () => broken() || checks.settled);
    if (!broken()) checks.ended();
    return this.#result((time.now - quiet) / MINUTE);
  }

  #result(restedAfterMinutes: number): WorldResult {
    const { options, time, pools, checks, counts } = this.#world;
    const { ticks, invocations, scaleIns, taskMs, works } = counts;
    return {
      seed: options.seed,
      newest: this.#trace.newest,
      hash: this.#trace.digest(),
      violations: checks.violations,
      poolHours: time.hours * pools.size,
      taskHours: taskMs / HOUR,
      ticks,
      invocations,
      activities: works,
      kills: checks.kills,
      faults: this.#effects.counts,
      deaths: this.#invocations.deaths,
      scaleIns,
      restedAfterMinutes,
    };
  }

  #countTasks(): void {
    const { time, pools, counts } = this.#world;
    time.after(MINUTE, () => {
      for (const { service } of pools.values()) counts.taskMs += live(service).length * MINUTE;
      this.#countTasks();
    });
  }
}

function hashOf(name: string): number {
  let hash = 0;
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return hash;
}
