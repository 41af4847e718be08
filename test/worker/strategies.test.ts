import fc from 'fast-check';
import { offlineModel } from '../../worker/model.ts';
import { runDirectly } from '../../worker/strategies/direct.ts';
import { registerStrategy, strategyNamed, strategyNames } from '../../worker/strategies/registry.ts';

const model = offlineModel();

describe('the registry', () => {
  it('takes a strategy of one’s own and runs it by its name', async () => {
    registerStrategy('shout', async (input: { text: string }, context) =>
      (await context.ask(input.text)).toUpperCase(),
    );
    const result = await runDirectly('shout', { text: 'hello' }, { model });
    expect(result).toEqual({ strategy: 'shout', output: (await model.ask('hello')).toUpperCase(), asks: 1 });
  });

  it('answers a duplicate name with the list of what exists', () => {
    registerStrategy('once', async () => 'x');
    expect(() => registerStrategy('once', async () => 'y')).toThrow(/"once" exists already \(.*sequential.*\)/);
  });

  it('answers an unknown name with the list of what exists', () => {
    expect(() => strategyNamed('sequentail')).toThrow(
      `There is no strategy named "sequentail". Strategies that exist: ${strategyNames().join(', ')}.`,
    );
  });

  it('does not take an object’s own properties for strategies', () => {
    expect(() => strategyNamed('constructor')).toThrow('no strategy named "constructor"');
  });
});

describe('sequential', () => {
  it('feeds each step with the answer of the one before', async () => {
    const asked: string[] = [];
    const result = await runDirectly(
      'sequential',
      { task: 'Write a poem', steps: ['draft', 'polish'] },
      {
        model: { ask: async (prompt) => `answer ${asked.push(prompt)}` },
      },
    );
    expect(asked[1]).toContain('polish');
    expect(asked[1]).toContain('answer 1');
    expect(result.output).toEqual({
      answer: 'answer 2',
      steps: [
        { step: 'draft', answer: 'answer 1' },
        { step: 'polish', answer: 'answer 2' },
      ],
    });
  });

  it('gives the same result for the same input on the offline model', async () => {
    const input = { task: 'Plan a trip', steps: ['where', 'when', 'how'] };
    const first = await runDirectly('sequential', input, { model });
    expect(first).toEqual(await runDirectly('sequential', input, { model }));
    expect(first.asks).toBe(3);
  });

  it.each([undefined, null, 'text', {}, { task: 'x' }, { task: 'x', steps: [] }, { task: 'x', steps: [1] }])(
    'refuses the input %j and says what it needs',
    async (input) => {
      await expect(runDirectly('sequential', input, { model })).rejects.toThrow('needs an input { task: string');
    },
  );
});

describe('the offline model', () => {
  it('answers by the prompt alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (one, other) => {
        const same = (await model.ask(one)) === (await model.ask(other));
        expect(same).toBe(one === other);
      }),
    );
  });

  it('stops waiting when it is aborted', async () => {
    const controller = new AbortController();
    const answer = offlineModel({ secondsPerAsk: 3600 }).ask('anything', { signal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 86_401])('refuses to take %d seconds', (secondsPerAsk) => {
    expect(() => offlineModel({ secondsPerAsk })).toThrow('must be a number from 0 to 86400');
  });
});
