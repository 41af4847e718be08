/** Results that wait until the server answers, and polls that outlive its refusals. */
import type { Context } from '@temporalio/activity';
import { ShutdownError, TransportError } from '@temporalio/worker';
import fc from 'fast-check';
import { Contact, FRESH_MS, LONG_MS } from '../../worker/temporal/contact.ts';
import { patient } from '../../worker/temporal/generation.ts';
import { RunningActivities } from '../../worker/temporal/running-activities.ts';

/** A server that answers each call as the list says, and always afterwards; the clock moves with each call. */
function serverOf(answers: boolean[]) {
  let now = 0;
  let asked = 0;
  let refused = 0;
  const contact = new Contact({
    ask: async () => {
      now += 100;
      if (answers[asked++] === false) throw new Error('refused');
    },
    onRefused: () => (refused += 1),
    onAnswered: () => undefined,
    now: () => now,
    pauseMs: { first: 0, longest: 0 },
  });
  return { contact, pass: (ms: number) => (now += ms), seen: () => ({ asked, refused }) };
}

describe('the connectivity check', () => {
  it('is one call for all waiting results, repeated until answered, and skipped while an answer is fresh', async () => {
    const refusals = fc.integer({ min: 0, max: 5 });
    await fc.assert(
      fc.asyncProperty(refusals, fc.integer({ min: 1, max: 20 }), async (times, waiting) => {
        const { contact, pass, seen } = serverOf(Array<boolean>(times).fill(false));
        await Promise.all(Array.from({ length: waiting }, () => contact.answered()));
        await contact.answered();
        expect(seen()).toEqual({ asked: times + 1, refused: times });
        pass(FRESH_MS);
        await contact.answered();
        expect(seen().asked).toBe(times + 2);
        contact.lost();
        await contact.answered();
        expect(seen().asked).toBe(times + 3);
      }),
    );
  });
});

describe('a result', () => {
  it('of short work relies on a fresh answer; one of long work causes a new call, even during another call', async () => {
    const { contact, pass, seen } = serverOf([]);
    await contact.answered();
    expect(contact.mayReport(LONG_MS - 1)).toBeUndefined();
    expect(seen().asked).toBe(1);
    pass(1);
    await contact.mayReport(LONG_MS);
    expect(seen().asked).toBe(2);
    pass(FRESH_MS);
    const before = contact.mayReport(0);
    pass(1);
    await Promise.all([before, contact.mayReport(LONG_MS)]);
    expect(seen().asked).toBe(4);
  });

  it('of long work is held back by a refusal that started a moment ago', async () => {
    const { contact, pass, seen } = serverOf([true, false, true]);
    await contact.answered();
    pass(1);
    await contact.mayReport(LONG_MS);
    expect(seen()).toEqual({ asked: 3, refused: 1 });
  });
});

describe('a finished activity', () => {
  const context = { info: { isLocal: false, activityId: 'a' } } as Context;
  const keep = (running: RunningActivities, run: () => Promise<unknown>, of = context) =>
    running.keep(of).inbound!.execute!({ args: [], headers: {} }, run);

  it('is not reported before the server answers, whether it succeeded or failed, and counts as running until then', async () => {
    for (const ends of [async () => 'done', () => Promise.reject(new Error('failed'))]) {
      const answered = Promise.withResolvers<void>();
      const running = new RunningActivities({ mayReport: () => answered.promise });
      let reported = false;
      const kept = keep(running, ends)
        .then(String, String)
        .finally(() => (reported = true));
      await new Promise(setImmediate);
      expect([reported, running.count]).toEqual([false, 1]);
      answered.resolve();
      expect(await kept).toMatch(/done|failed/);
      expect(running.count).toBe(0);
    }
  });

  it('that is local is reported without waiting', async () => {
    const running = new RunningActivities({ mayReport: () => new Promise(() => undefined) });
    const local = { info: { isLocal: true } } as Context;
    await expect(keep(running, async () => 'done', local)).resolves.toBe('done');
  });
});

describe('a poll', () => {
  it('is retried after refusals, which are logged, until it brings work or the worker shuts down', async () => {
    const ends: (Error | string)[] = [new TransportError('refused'), new TransportError('refused'), 'work'];
    const over: string[] = [];
    const poll = patient(
      async () => {
        const end = ends.shift() ?? new ShutdownError('shut down');
        if (end instanceof Error) throw end;
        return end;
      },
      (why) => over.push(why),
    );
    await expect(poll()).resolves.toBe('work');
    expect(over).toEqual(['refused', 'refused']);
    await expect(poll()).rejects.toThrow('shut down');
  });

  it('fails for any other error', async () => {
    const poll = patient(() => Promise.reject(new TypeError('broken')), fail);
    await expect(poll()).rejects.toThrow('broken');
  });
});

function fail(): never {
  throw new Error('This worker is not over.');
}
