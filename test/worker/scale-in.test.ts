import { GONE_SECONDS, MINUTE, FakeTask } from './fake-task.ts';

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

  it('does not poll until it is protected', async () => {
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

  it('works again at once if the cordon is removed while it drains', async () => {
    const world = await working();
    world.running = 1;
    world.cordoned = true;
    await world.later(3);
    world.cordoned = false;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect'] });
  });

  it('is protected again before it polls if the cordon is removed after it drained', async () => {
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

  it('withdraws its offer if a last open poll brings work', async () => {
    const world = await working();
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: false, openPolls: true });
    world.running = 1;
    await world.protocol.settle();
    expect(world).toMatchObject({ polling: true, protected: true, calls: ['protect'] });
  });

  it('does not wait forever on the cordon of a scaler that died', async () => {
    const world = await working();
    world.cordoned = true;
    await world.later(3);
    world.openPolls = false;
    await world.later(3);
    await world.later(GONE_SECONDS, { scalerLives: false });
    await world.later(3, { scalerLives: false });
    expect(world).toMatchObject({ polling: true, protected: true });
  });

  it('does not count a scaler’s tick from the far future as a sign of life', async () => {
    const world = await working();
    world.scalerTickAt = world.now + 365 * 24 * 60 * MINUTE;
    world.heardAt = world.now;
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world.polling).toBe(false);
  });

  it('obeys the cordon again when the scaler is back', async () => {
    const world = await working();
    for (let round = 0; round < 130; round++) await world.later(3, { scalerLives: false });
    expect(world.polling).toBe(false);
    await world.later(3);
    expect(world).toMatchObject({ polling: true, protected: true });
    world.cordoned = true;
    for (let round = 0; round < 130; round++) await world.later(3);
    expect(world).toMatchObject({ polling: false });
  });

  it('changes nothing after the task was told to stop', async () => {
    const world = await working();
    world.protocol.stop();
    world.cordoned = true;
    await world.later(3);
    expect(world).toMatchObject({ polling: true, calls: ['protect'] });
  });
});
