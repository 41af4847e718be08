import fc from 'fast-check';
import { ActivitySlots, MAX_OPEN_POLLS, MIN_OPEN_POLLS } from '../../worker/slots/activity-slots.ts';

type Permit = Awaited<ReturnType<ActivitySlots['reserveSlot']>>;

/** Like the SDK: requests a permit before each poll, marks it used when the poll brings work, releases it at the end. */
class Polls {
  readonly #slots: ActivitySlots;
  readonly #abort = new AbortController();
  open: Permit[] = [];
  running: Permit[] = [];

  constructor(slots: ActivitySlots) {
    this.#slots = slots;
  }

  async begin(): Promise<void> {
    void this.#slots.reserveSlot(undefined, this.#abort.signal).then((permit) => this.open.push(permit));
    await settled();
  }

  async bringsWork(): Promise<void> {
    const permit = this.open.pop();
    if (permit === undefined) return;
    this.#slots.markSlotUsed({ permit });
    this.running.push(permit);
    await settled();
  }

  async ends(which: Permit[]): Promise<void> {
    const permit = which.pop();
    if (permit !== undefined) this.#slots.releaseSlot({ permit });
    await settled();
  }
}

/** By then all resolved promises have run their callbacks. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the activity slots', () => {
  it('start no poll while closed, and all waiting polls once open', async () => {
    const slots = new ActivitySlots(5);
    const polls = new Polls(slots);
    slots.close();
    await polls.begin();
    await polls.begin();
    expect(polls.open).toHaveLength(0);
    slots.open();
    await settled();
    expect(polls.open).toHaveLength(2);
  });

  it('start waiting polls when more are added, and end none when some are removed', async () => {
    const slots = new ActivitySlots(1);
    const polls = new Polls(slots);
    await polls.begin();
    await polls.begin();
    expect(polls.open).toHaveLength(1);
    slots.resize(2);
    await settled();
    expect(polls.open).toHaveLength(2);
    await polls.bringsWork();
    await polls.bringsWork();
    slots.resize(1);
    expect(slots.used).toBe(2);
    await polls.begin();
    await polls.ends(polls.running);
    expect(polls.open).toHaveLength(0);
    await polls.ends(polls.running);
    expect(polls.open).toHaveLength(1);
  });

  it('of a stopped worker serve it no longer, and do not count its open polls for the next one', async () => {
    const slots = new ActivitySlots(MIN_OPEN_POLLS);
    const [first, second] = [slots.supplier(), slots.supplier()];
    const { signal } = new AbortController();
    const granted: string[] = [];
    const ask = async (name: string, supplier: typeof first) => {
      const permit = (await supplier.reserveSlot({} as never, signal)) as Permit;
      granted.push(name);
      return permit;
    };
    const polls = await Promise.all(Array.from({ length: MIN_OPEN_POLLS }, () => ask('first', first)));
    first.markSlotUsed({ permit: polls[0] } as never);
    void ask('first', first);
    first.retire();
    for (let index = 0; index < MIN_OPEN_POLLS; index++) void ask('second', second);
    await settled();
    // One slot is still used by what the first one runs.
    expect(granted.slice(MIN_OPEN_POLLS)).toEqual(Array<string>(MIN_OPEN_POLLS - 1).fill('second'));
    for (const permit of polls) first.releaseSlot({ permit } as never);
    await settled();
    expect(granted.slice(MIN_OPEN_POLLS)).toEqual(Array<string>(MIN_OPEN_POLLS).fill('second'));
    expect(slots).toMatchObject({ idle: false, used: 0 });
  });

  it('still run the work from a poll that was open when they closed', async () => {
    const slots = new ActivitySlots(5);
    const polls = new Polls(slots);
    await polls.begin();
    slots.close();
    expect(slots.idle).toBe(false);
    await polls.bringsWork();
    expect(slots).toMatchObject({ idle: false, used: 1 });
    await polls.ends(polls.running);
    expect(slots).toMatchObject({ idle: true, used: 0 });
  });

  it('forget a canceled request', () => {
    const slots = new ActivitySlots(1);
    const abort = new AbortController();
    slots.close();
    void slots.reserveSlot(undefined, abort.signal);
    abort.abort(new Error('given up'));
    slots.open();
    expect(slots.idle).toBe(true);
  });

  it('allow more open polls while they bring work, and fewer when they end empty', async () => {
    const slots = new ActivitySlots(100);
    const polls = new Polls(slots);
    const ask = async () => {
      for (let index = 0; index < 100; index++) await polls.begin();
    };
    await ask();
    expect(polls.open).toHaveLength(MIN_OPEN_POLLS);
    for (let index = 0; index < 40; index++) await polls.bringsWork();
    expect(polls.open).toHaveLength(MAX_OPEN_POLLS);
    for (let index = 0; index < 40; index++) await polls.ends(polls.open);
    expect(polls.open).toHaveLength(MIN_OPEN_POLLS);
    expect(polls.running).toHaveLength(40);
  });

  it('are never assigned twice, and never exceed the limit of open polls', async () => {
    const scripts = fc.array(fc.constantFrom('begin', 'work', 'empty', 'done', 'open', 'close'), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 25 }), scripts, async (size, script) => {
        const slots = new ActivitySlots(size);
        const polls = new Polls(slots);
        for (const step of script) {
          if (step === 'begin') await polls.begin();
          else if (step === 'work') await polls.bringsWork();
          else if (step === 'empty') await polls.ends(polls.open);
          else if (step === 'done') await polls.ends(polls.running);
          else slots[step as 'open' | 'close']();
          await settled();
          expect(polls.open.length + polls.running.length).toBeLessThanOrEqual(size);
          expect(polls.open.length).toBeLessThanOrEqual(MAX_OPEN_POLLS);
          expect(slots).toMatchObject({
            used: polls.running.length,
            idle: polls.open.length + polls.running.length === 0,
          });
        }
      }),
    );
  });
});
