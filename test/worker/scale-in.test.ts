import fc from 'fast-check';
import { seeded } from '../../simulate/random.ts';
import type { CordonReading } from '../../worker/scale-in/cordon-reading.ts';
import { type PollingWorker, ScaleInProtocol } from '../../worker/scale-in/protocol.ts';
import type { ProtectionAnswer } from '../../worker/scale-in/protection.ts';

const GONE_SECONDS = 300;
const MINUTE = 60_000;

/** A worker, ECS and a state table that follow the rules of the real ones, with a clock of their own. */
class FakeTask implements PollingWorker {
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

async function working(): Promise<FakeTask> {
  const world = new FakeTask();
  await world.protocol.round();
  expect(world).toMatchObject({ polling: true, protected: true });
  return world;
}

describe('the worker’s side of scale-in', () => {
  it('protects the task before it polls', async () => {
    const world = new FakeTask();
    world.onCall = () => expect(world.polling).toBe(false);
    await world.protocol.round();
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect'] });
  });

  it('does not poll as long as it cannot be protected', async () => {
    const world = new FakeTask();
    world.ecs = 'fails';
    for (let round = 0; round < 20; round++) await world.later(3);
    expect(world.polling).toBe(false);
    world.ecs = 'works';
    await world.later(60);
    expect(world.polling).toBe(true);
  });

  it('polls unprotected while a deployment is blocked, and is protected when it no longer is', async () => {
    const world = new FakeTask();
    world.ecs = 'blocks';
    world.deploying = true;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: false });
    world.ecs = 'fails';
    for (let round = 0; round < 20; round++) await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: false });
    world.ecs = 'works';
    world.deploying = false;
    for (let round = 0; round < 37; round++) {
      await world.later(3);
      expect(world.polling).toBe(true);
    }
    expect(world.protected).toBe(true);
  });

  it('does not poll when ECS refuses to protect it although nothing is deployed, but for cordoned tasks that drain', async () => {
    const world = new FakeTask();
    world.ecs = 'blocks';
    for (let round = 0; round < 200; round++) await world.later(3);
    expect(world).toMatchObject({ polling: false, protected: false });
    world.ecs = 'works';
    for (let round = 0; round < 37; round++) await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true });
  });

  it('stops polling when its protection has run out, a new one is refused and nothing is deployed', async () => {
    const world = await working();
    world.ecs = 'blocks';
    for (let hour = 0; hour < 47; hour++) await world.later(3600);
    expect(world).toMatchObject({ polling: true, protected: true });
    await world.later(3600);
    expect(world).toMatchObject({ polling: false, protected: false });
  });

  it('keeps an activity of nine hours protected during a scale-in, although ECS renews no protection meanwhile', async () => {
    const world = await working();
    world.running = 1;
    world.cordoned = true;
    world.openPolls = false;
    world.ecs = 'blocks';
    for (let minute = 0; minute < 9 * 60; minute++) {
      await world.later(60);
      expect(world.protected).toBe(true);
    }
    world.running = 0;
    world.openPolls = false;
    world.ecs = 'works';
    await world.protocol.settle();
    expect(world).toMatchObject({ protected: false, polling: false });
  });

  it('asks, in a fleet of a hundred blocked tasks, less than twice a second', async () => {
    const worlds = Array.from({ length: 100 }, (_, index) => new FakeTask(index));
    const asked: number[] = [];
    for (const world of worlds) {
      Object.assign(world, { ecs: 'blocks', deploying: true, onCall: () => asked.push(world.now) });
    }
    const begin = worlds[0]!.now;
    for (let round = 0; round < 400; round++) for (const world of worlds) await world.later(3);
    // The first question is that of a task that starts.
    const again = asked.filter((at) => at > begin + 3000);
    for (let from = begin; from < begin + 1_140_000; from += 15_000) {
      const within = again.filter((at) => at > from && at <= from + 60_000).length;
      expect(within / 60).toBeLessThan(2);
    }
    expect(again.length).toBeGreaterThan(0);
  });

  it('asks every few seconds in a small pool, so that a new task is protected soon after a deployment', async () => {
    const world = new FakeTask();
    Object.assign(world, { ecs: 'blocks', deploying: true, poolTasks: 3 });
    for (let round = 0; round < 20; round++) await world.later(3);
    Object.assign(world, { ecs: 'works', deploying: false });
    for (let round = 0; round < 4; round++) await world.later(3);
    expect(world).toMatchObject({ protected: true, polling: true });
  });

  it('asks a failing ECS less and less often', async () => {
    const world = new FakeTask();
    world.ecs = 'fails';
    for (let round = 0; round < 200; round++) await world.later(3);
    expect(world.calls.length).toBeLessThan(20);
  });

  it('never polls when it is cordoned before it began', async () => {
    const world = new FakeTask();
    world.cordoned = true;
    await world.protocol.round();
    expect(world).toMatchObject({ polling: false, protected: false });
  });

  it('calls ECS once at the start and once an hour, however many rounds there are', async () => {
    const world = await working();
    for (let round = 0; round < 3600; round++) await world.later(3);
    expect(world.calls).toEqual(['protect', 'protect', 'protect', 'protect']);
    expect(world.protected).toBe(true);
  });

  it('outlives hours without an ECS to renew its protection, and then stops polling rather than work unprotected', async () => {
    const world = await working();
    world.ecs = 'fails';
    for (let minute = 0; minute < 47 * 60; minute++) await world.later(60);
    expect(world).toMatchObject({ polling: true, protected: true });
    for (let minute = 0; minute < 60; minute++) await world.later(60);
    expect(world).toMatchObject({ polling: false, protected: false });
  });

  it('once cordoned finishes what runs, however long it takes, and only then lifts its protection', async () => {
    const world = await working();
    world.running = 2;
    world.cordoned = true;
    await world.later(3);
    expect(world.polling).toBe(false);
    world.openPolls = false;
    for (let minute = 0; minute < 20 * 60; minute++) await world.later(60);
    expect(world.protected).toBe(true);
    world.running = 1;
    await world.protocol.settle();
    expect(world.protected).toBe(true);
    world.running = 0;
    await world.protocol.settle();
    expect(world).toMatchObject({ protected: false, polling: false });
  });

  it('is not drained while a poll is open that may still bring work', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    expect(world).toMatchObject({ polling: false, protected: true });
    world.openPolls = false;
    await world.protocol.settle();
    expect(world.protected).toBe(false);
  });

  it('works on at once when the cordon is taken back while it drains', async () => {
    const world = await working();
    world.running = 1;
    world.cordoned = true;
    await world.later(3);
    world.cordoned = false;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect'] });
  });

  it('protects again before it polls when the cordon is taken back after it drained', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    world.openPolls = false;
    await world.later(3);
    world.cordoned = false;
    world.onCall = () => expect(world.polling).toBe(false);
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect', 'lift', 'protect'] });
  });

  it('does not poll again when ECS has begun to stop the task', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    world.openPolls = false;
    await world.later(3);
    world.ecs = 'refuses';
    world.cordoned = false;
    for (let round = 0; round < 10; round++) await world.later(30);
    expect(world.polling).toBe(false);
  });

  it('does not trust a protection whose lifting went unanswered', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    world.openPolls = false;
    world.answersLost = true;
    await world.later(3);
    world.answersLost = false;
    world.cordoned = false;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect', 'lift', 'protect'] });
  });

  it('keeps on draining while the table cannot be read', async () => {
    const world = await working();
    world.running = 1;
    world.cordoned = true;
    await world.later(3);
    world.tableFails = true;
    for (let round = 0; round < 50; round++) await world.later(3);
    expect(world).toMatchObject({ polling: false, protected: true });
  });

  it('keeps on working while the table cannot be read', async () => {
    const world = await working();
    world.tableFails = true;
    world.cordoned = true;
    for (let round = 0; round < 50; round++) await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true });
  });

  it('with the scaler gone works on protected, and only when idle for a while offers itself to ECS, not polling', async () => {
    const world = await working();
    world.running = 1;
    for (let round = 0; round < 200; round++) await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: true, protected: true });
    world.running = 0;
    for (let round = 0; round < 25; round++) await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: false, openPolls: true, protected: true });
    world.openPolls = false;
    await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: false, protected: false });
    for (let round = 0; round < 8; round++) await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect', 'lift', 'protect'] });
  });

  it('takes its offer back when a last open poll brings work', async () => {
    const world = await working();
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: false, openPolls: true });
    world.running = 1;
    await world.protocol.settle();
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect'] });
  });

  it('does not wait for ever on the cordon of a scaler that died', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    world.openPolls = false;
    await world.later(3);
    await world.later(GONE_SECONDS, { scalerLives: false });
    await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: true, protected: true });
  });

  it('does not take a sign of life from the far future for one', async () => {
    const world = await working();
    world.scalerTickAt = world.now + 365 * 24 * 60 * MINUTE;
    world.heardAt = world.now;
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world.polling).toBe(false);
  });

  it('goes back to the cordon’s rules when the scaler is back', async () => {
    const world = await working();
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world.polling).toBe(false);
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true });
    world.cordoned = true;
    for (let round = 0; round < 130; round++) await world.later(3);
    expect(world).toMatchObject({ polling: false });
  });

  it('touches nothing after the task was told to stop', async () => {
    const world = await working();
    world.protocol.stop();
    world.cordoned = true;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, calls: ['protect'] });
  });
});

type Step = (world: FakeTask) => Promise<void> | void;

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.integer({ min: 1, max: 100 }).map((s) => (world: FakeTask) => world.later(s)),
    fc.integer({ min: 1, max: 4000 }).map((s) => (world: FakeTask) => world.later(s, { scalerLives: false })),
    fc.boolean().map((value) => (world: FakeTask) => void (world.cordoned = value)),
    fc.boolean().map((value) => (world: FakeTask) => void (world.tableFails = value)),
    fc.boolean().map((value) => (world: FakeTask) => void (world.answersLost = value)),
    fc.boolean().map((value) => (world: FakeTask) => void (world.deploying = value)),
    fc.constantFrom('works', 'works', 'fails', 'refuses', 'blocks').map((value) => (world: FakeTask) => {
      world.ecs = value as FakeTask['ecs'];
    }),
    fc.constant((world: FakeTask) => {
      if (world.polling || world.openPolls) world.running += 1;
      return world.protocol.settle();
    }),
    fc.constant((world: FakeTask) => {
      world.running = Math.max(0, world.running - 1);
      return world.protocol.settle();
    }),
    fc.constant((world: FakeTask) => {
      world.openPolls = false;
      return world.protocol.settle();
    }),
  ),
  { maxLength: 60 },
);

describe('whatever happens in whatever order', () => {
  it('never lifts the protection of a busy task, nor of one whose polls may still bring work unless the scaler is gone', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const world = new FakeTask();
        world.onCall = (call) => {
          if (call !== 'lift') return;
          expect(world.running).toBe(0);
          expect(scalerGone(world) || world.drained).toBe(true);
        };
        for (const step of script) await step(world);
      }),
    );
  });

  it('never polls unprotected after a round, unless the scaler is gone or a deployment is blocked', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const world = new FakeTask();
        for (const step of script) {
          await step(world);
          await world.protocol.settle();
          const deploying = world.blocked && world.now - world.deployingAt <= 2 * MINUTE;
          expect(!world.polling || world.protected || deploying || scalerGone(world)).toBe(true);
        }
      }),
    );
  });

  it('always gets to what is wanted once all parts work again', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (script, cordoned) => {
        const world = new FakeTask();
        for (const step of script) await step(world);
        Object.assign(world, { ecs: 'works', tableFails: false, answersLost: false, cordoned, running: 0 });
        for (let round = 0; round < 45; round++) {
          world.openPolls = false;
          await world.later(3);
        }
        expect(world).toMatchObject(
          cordoned ? { polling: false, protected: false } : { polling: true, protected: true },
        );
      }),
    );
  });
});

function scalerGone(world: FakeTask): boolean {
  return world.now - world.heardAt > GONE_SECONDS * 1000;
}
