/** The worker’s side of scale-in, whatever happens in whatever order. */
import fc from 'fast-check';
import { GONE_SECONDS, MINUTE, FakeTask } from './fake-task.ts';

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

  it('always reaches the wanted state once all parts work again', async () => {
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
