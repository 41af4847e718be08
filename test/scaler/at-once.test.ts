import type { ECSClient } from '@aws-sdk/client-ecs';
import type { PoolConfig } from '../../contract/pool-config.ts';
import { AtOnce } from '../../scaler/at-once.ts';
import { EcsServices } from '../../scaler/read/ecs.ts';

/** Work that stays open until all allowed work has started, and how much was open at once. */
function openWork() {
  const seen = { open: 0, most: 0, begun: 0 };
  const work = async () => {
    seen.most = Math.max(seen.most, ++seen.open);
    seen.begun += 1;
    await new Promise((resolve) => setImmediate(resolve));
    seen.open -= 1;
    return {};
  };
  return { seen, work };
}

test('a limited number of calls run at once, in order of arrival, and a failed one makes room for the next', async () => {
  const atOnce = new AtOnce(3);
  const { seen, work } = openWork();
  const order: number[] = [];
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  const ended = await Promise.allSettled(
    numbers.map((number) =>
      atOnce.run(async () => {
        order.push(number);
        await work();
        if (number % 2 === 0) throw new Error('failed');
      }),
    ),
  );
  expect(seen.most).toBe(3);
  expect(order).toEqual(numbers);
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(10);
});

test('at most ten requests for ten services each are open to ECS at once', async () => {
  const { seen, work } = openWork();
  const pools = Array.from({ length: 1000 }, (_, number) => ({
    pool: `p${number}`,
    cluster: 'c',
    service: `s${number}`,
  }));
  const services = new EcsServices({ send: work } as unknown as ECSClient);
  const read = await services.read(pools as PoolConfig[]);
  expect(read.size).toBe(1000);
  expect(seen).toMatchObject({ most: 10, begun: 100 });
});
