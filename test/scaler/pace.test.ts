import { Pace } from '../../scaler/read/pace.ts';

/** A clock that stands still while anything else can run, and then jumps to the earliest time waited for. */
function paced() {
  let now = 0;
  const waiting: { until: number; resolve: () => void }[] = [];
  const goOn = () => {
    const [next] = waiting.sort((a, b) => a.until - b.until).splice(0, 1);
    now = next!.until;
    next!.resolve();
  };
  const wait = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      waiting.push({ until: now + milliseconds, resolve });
      setImmediate(goOn);
    });
  const pace = new Pace({ now: () => now, wait });
  const going = new AbortController();
  const began: number[] = [];
  const ask = async () => void began.push(now);
  return { pace, going, began, ask };
}

const refusal = Object.assign(new Error('RESOURCE_EXHAUSTED'), { code: 8 });

describe('requests', () => {
  test('are spread over time, in order of arrival', async () => {
    const { pace, going, began, ask } = paced();
    const order: number[] = [];
    const numbers = Array.from({ length: 301 }, (_, number) => number);
    const askFor = (number: number) => async () => {
      order.push(number);
      await ask();
    };
    await Promise.all(numbers.map((number) => pace.run(going.signal, askFor(number))));
    expect(order).toEqual(numbers);
    expect(began.at(-1)).toBeCloseTo(2000);
  });

  test('are limited to four at once: the next starts when one is answered', async () => {
    const never = () => new Promise(() => undefined);
    const pace = new Pace({
      now: () => 0,
      wait: (milliseconds) => (milliseconds === 250 ? never() : Promise.resolve()),
    });
    const going = new AbortController();
    let open = 0;
    let most = 0;
    const answers: (() => void)[] = [];
    const request = async () => {
      most = Math.max(most, ++open);
      await new Promise<void>((resolve) => answers.push(resolve));
      open -= 1;
    };
    const all = Promise.all(Array.from({ length: 30 }, () => pace.run(going.signal, request)));
    for (let answered = 0; answered < 30; answered += 1) {
      // All requests that may start have started.
      do await new Promise((resolve) => setImmediate(resolve));
      while (answers.length === 0);
      answers.shift()!();
    }
    await all;
    expect(most).toBe(4);
  });

  test('that hang make room for others', async () => {
    const { pace, going, began, ask } = paced();
    for (let hanging = 0; hanging < 20; hanging += 1) void pace.run(going.signal, () => new Promise(() => undefined));
    await pace.run(going.signal, ask);
    expect(began[0]).toBeCloseTo(5 * 250, -2);
  });

  test('are not made when no time is left', async () => {
    const { pace, going, began, ask } = paced();
    const ending = async () => going.abort(new Error('too late'));
    const both = await Promise.allSettled([pace.run(going.signal, ending), pace.run(going.signal, ask)]);
    expect(both[1]).toMatchObject({ status: 'rejected', reason: new Error('too late') });
    expect(began).toEqual([]);
  });

  test('that all others wait for skip the queue', async () => {
    const { pace, going } = paced();
    const order: string[] = [];
    const line = Array.from({ length: 5 }, () => pace.run(going.signal, async () => order.push('in line')));
    await Promise.all([...line, pace.first(going.signal, async () => order.push('first'))]);
    expect(order.slice(0, 2)).toEqual(['in line', 'first']);
  });
});

describe('a server that refuses', () => {
  test('gets one retry at half the rate, and more requests again as it answers', async () => {
    const { pace, going, began, ask } = paced();
    const answers = [refusal];
    await pace.run(going.signal, async () => {
      await ask();
      const answer = answers.pop();
      if (answer) throw answer;
    });
    expect(began).toHaveLength(2);
    await Promise.all(Array.from({ length: 2000 }, () => pace.run(going.signal, ask)));
    const gaps = began.map((at, index) => at - (began[index - 1] ?? 0));
    expect(gaps[2]).toBeCloseTo(1000 / 75, 0);
    expect(gaps.at(-1)).toBeCloseTo(1000 / 150);
  });

  test('twice gets no further retry, and many refusals at once count as one', async () => {
    const { pace, going, began, ask } = paced();
    const refused = () => pace.first(going.signal, () => Promise.reject(refusal));
    const all = await Promise.allSettled([refused(), refused(), refused()]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    began.length = 0;
    await Promise.all([pace.run(going.signal, ask), pace.run(going.signal, ask)]);
    expect(began[1]! - began[0]!).toBeCloseTo(1000 / 75, 0);
  });

  test('for another reason gets no retry', async () => {
    const { pace, going, began, ask } = paced();
    const asked = pace.run(going.signal, async () => {
      await ask();
      throw new Error('UNAVAILABLE');
    });
    await expect(asked).rejects.toThrow('UNAVAILABLE');
    expect(began).toHaveLength(1);
  });
});
