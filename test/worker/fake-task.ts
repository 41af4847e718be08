/** A worker, ECS and a state table that follow the rules of the real ones, with a clock of their own. */
import { seeded } from '../../simulate/random.ts';
import type { CordonReading } from '../../worker/scale-in/cordon-reading.ts';
import { type PollingWorker, ScaleInProtocol } from '../../worker/scale-in/protocol.ts';
import type { ProtectionAnswer } from '../../worker/scale-in/protection.ts';

export const GONE_SECONDS = 300;
export const MINUTE = 60_000;

export class FakeTask implements PollingWorker {
  now = 1_000_000_000;
  cordoned = false;
  scalerTickAt: number | undefined = this.now;
  tableFails = false;
  /** As the scaler says. */
  deploying = false;
  poolTasks = 100;
  /** When the worker last heard of a deployment. */
  deployingAt = -Infinity;
  /** The newest tick the worker can know of. */
  heardAt = this.now;
  /** What ECS answers from now on. */
  ecs: 'works' | 'fails' | 'refuses' | 'blocks' = 'works';
  /** A task asked to be protected was told that a deployment is blocked, and nothing else since. */
  blocked = false;
  /** The answer is lost, though ECS did what it was asked. */
  answersLost = false;
  protectedUntil = 0;
  calls: string[] = [];
  polling = false;
  running = 0;
  /** Polls that have not ended yet: a paused worker is not drained before they have. */
  openPolls = false;
  /** Told before each call's effect, to look at the world at that very moment. */
  onCall: (call: 'protect' | 'lift') => void = () => undefined;

  readonly #random: () => number;

  constructor(seed = 1) {
    this.#random = seeded(seed);
  }

  readonly protocol = new ScaleInProtocol({
    worker: this,
    protection: {
      protect: (minutes) => this.call('protect', () => (this.protectedUntil = this.now + minutes * MINUTE)),
      lift: () => this.call('lift', () => (this.protectedUntil = 0)),
    },
    readCordon: async (): Promise<CordonReading> => {
      if (this.tableFails) return { known: false, why: 'throttled' };
      if (this.deploying) this.deployingAt = this.now;
      this.heardAt = Math.max(this.heardAt, this.scalerTickAt ?? 0);
      return {
        known: true,
        cordoned: this.cordoned,
        scalerTickAt: this.scalerTickAt,
        deployingTasks: this.deploying ? this.poolTasks : 0,
      };
    },
    now: () => this.now,
    random: () => this.#random(),
    scalerGoneSeconds: GONE_SECONDS,
    log: { info: () => undefined, warn: () => undefined },
  });

  get protected(): boolean {
    return this.now < this.protectedUntil;
  }

  async later(seconds: number, { scalerLives = true } = {}): Promise<void> {
    this.now += seconds * 1000;
    if (scalerLives) this.scalerTickAt = this.now;
    await this.protocol.round();
  }

  get drained(): boolean {
    return !this.polling && !this.openPolls && this.running === 0;
  }

  get runningActivities(): number {
    return this.running;
  }

  pause(): void {
    if (this.polling) this.openPolls = true;
    this.polling = false;
  }

  resume(): void {
    this.polling = true;
  }

  private async call(name: 'protect' | 'lift', effect: () => void): Promise<ProtectionAnswer> {
    this.onCall(name);
    this.calls.push(name);
    if (this.ecs === 'fails') return { outcome: 'failed', why: 'HTTP 500' };
    const isBlocked = name === 'protect' && this.ecs === 'blocks';
    if (name === 'protect') this.blocked = isBlocked;
    if (isBlocked) return { outcome: 'blocked', why: 'DEPLOYMENT_BLOCKED' };
    if (this.ecs === 'refuses') return { outcome: 'refused', why: 'TASK_NOT_VALID' };
    effect();
    return this.answersLost ? { outcome: 'failed', why: 'timed out' } : { outcome: 'done' };
  }
}
