/** The invocations of the scaler's function, as the schedule makes them: late, absent, twice, and dying in mid-tick. */
import type { Random } from '../../simulate/random.ts';
import { Invocation, LambdaProcess, REQUESTS, type Death, type LambdaParts, type Services } from './lambda.ts';
import { MINUTE, SECOND } from './time.ts';
import type { World } from './world-parts.ts';

interface Process {
  lambda: LambdaProcess;
  newest: Invocation | undefined;
}

export class Invocations {
  readonly #world: World;
  readonly #services: Services;
  readonly #processes: Process[] = [];
  /** Of a second scaler, which does not wait for its turn: it sees no other invocations than its own. */
  readonly #rivals: Process[] = [];
  readonly #ofRivals = new WeakSet<Invocation>();
  /** Requests at which an invocation died, and how often. */
  readonly deaths: Record<string, number> = {};
  /** By how much the scaler's clock is wrong. */
  clockErrorMs = 0;
  /** The second scaler ticks until then. */
  twiceUntil = 0;

  constructor(world: World, services: Services) {
    this.#world = world;
    this.#services = services;
    if (world.options.twoScalers) this.twiceUntil = Infinity;
  }

  isOfRival(invocation: Invocation): boolean {
    return this.#ofRivals.has(invocation);
  }

  #newProcess(): LambdaProcess {
    const { options, time, scenario, checks, counts, note } = this.#world;
    const parts: LambdaParts = {
      time,
      services: this.#services,
      clockErrorMs: () => this.clockErrorMs,
      tickSeconds: scenario.tickSeconds,
      endsWithItsMinute: options.mutant === 'an invocation ends with its minute',
      onReport: (invocation, report) => {
        const [{ pool }, { decision }, errors] = report;
        note(
          `#${invocation.number} ${pool} ${decision.desired} ${decision.reason} [${decision.cordon.join(' ')}] ${[decision.detail, ...errors].join('; ')}`,
        );
        checks.reported(report, invocation);
      },
      onTick: (invocation) => {
        counts.ticks += 1;
        checks.tickBegins(invocation);
      },
      onLog: () => undefined,
      onCrash: (error) => checks.crashed(error),
    };
    return new LambdaProcess(parts);
  }

  schedule(): void {
    const { time, faults, random } = this.#world;
    const luck = random('schedule');
    const everyMinute = () => {
      // The schedule keeps to the minute, not to the second: from one invocation to the next it may be 1 to 119 seconds.
      const lateMs = luck() * 59 * SECOND + (faults.active('scaler.late') ? luck() * 50 * SECOND : 0);
      if (!faults.active('scaler.absent')) {
        time.after(lateMs, () => this.#invoke(this.#processes, luck));
        // The second one's last invocation is over when the fault is.
        const another = time.now + 4 * MINUTE < this.twiceUntil;
        if (another) time.after(luck() * 59 * SECOND, () => this.#invoke(this.#rivals, luck));
      }
      time.after(MINUTE, everyMinute);
    };
    everyMinute();
  }

  /** In a process that is idle, or a new one; a process that died is replaced. */
  #invoke(processes: Process[], luck: Random): void {
    const { time, faults, counts, note } = this.#world;
    const idle = processes.find(({ newest }) => newest === undefined || newest.over);
    const process: Process = idle ?? { lambda: this.#newProcess(), newest: undefined };
    if (!idle) processes.push(process);
    const death = faults.active('scaler.diesInMidTick') ? drawDeath(luck) : undefined;
    const { lambda } = process;
    const invocation = new Invocation((counts.invocations += 1), time, death, (at) => {
      note(`#${invocation.number} dies at ${at}`);
      this.deaths[at] = (this.deaths[at] ?? 0) + 1;
      process.lambda = this.#newProcess();
    });
    process.newest = invocation;
    if (processes === this.#rivals) this.#ofRivals.add(invocation);
    time.stir();
    void lambda.run(invocation);
  }
}

function drawDeath(luck: Random): Death {
  const [ofAny, request, afterEffect] = [luck() < 0.3, luck(), luck() < 0.5];
  if (ofAny) return { of: undefined, request: 1 + Math.floor(request * 40), afterEffect };
  return { of: REQUESTS[Math.floor(luck() * REQUESTS.length)], request: 1, afterEffect };
}
