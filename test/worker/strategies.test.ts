import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { generateText, isStepCount, Output, tool } from 'ai';
import fc from 'fast-check';
import { z } from 'zod';
import { executeStrategyDirectly } from '../../worker/strategies/activities.ts';
import { registerStrategy, strategyNamed, strategyNames } from '../../worker/strategies/index.ts';
import type { Strategy } from '../../worker/strategies/strategy.ts';
import type { MapReduceOutput, RouterOutput, SequentialOutput } from '../../worker/strategies/types.ts';
import { listening } from './listening.ts';

jest.setTimeout(120_000);

describe('the registry', () => {
  it('accepts a custom strategy and runs it by its name, without Temporal', async () => {
    registerStrategy('shout', async (input: { text: string }, context) =>
      (await context.ask(input.text)).toUpperCase(),
    );
    const result = await executeStrategyDirectly('shout', { text: 'hello' });
    expect(result).toEqual({
      strategy: 'shout',
      output: expect.stringMatching(/^[A-Z :]+\([0-9A-F]{12}\)\.$/),
      asks: 1,
    });
  });

  it('refuses a duplicate name with the list of strategies', () => {
    registerStrategy('once', async () => 'x');
    expect(() => registerStrategy('once', async () => 'y')).toThrow(/"once" exists already \(.*sequential.*\)/);
  });

  it('refuses an unknown name with the list of strategies', () => {
    expect(() => strategyNamed('sequentail')).toThrow(
      `There is no strategy named "sequentail". Strategies that exist: ${strategyNames().join(', ')}.`,
    );
  });

  it('does not treat built-in object properties as strategies', () => {
    expect(() => strategyNamed('constructor')).toThrow('no strategy named "constructor"');
  });

  it('includes the built-in strategies', () => {
    expect(strategyNames()).toEqual(expect.arrayContaining(['map_reduce', 'router', 'sequential', 'specialist']));
  });
});

describe('in plain Node.js', () => {
  const node = promisify(execFile);
  const activities = JSON.stringify(
    pathToFileURL(join(import.meta.dirname, '../../worker/strategies/activities.ts')).href,
  );

  it('a script runs a strategy without Temporal', async () => {
    const script = `
      import { executeStrategyDirectly } from ${activities};
      console.log(JSON.stringify(await executeStrategyDirectly('specialist', { task: 'x' })));`;
    const { stdout } = await node(process.execPath, ['--input-type=module', '--eval', script]);
    expect(JSON.parse(stdout)).toEqual(await executeStrategyDirectly('specialist', { task: 'x' }));
  });

  it('the activities load their modules when the first ones start at the same time', async () => {
    const script = `
      import { createActivities } from ${activities};
      const { executeStrategyDirectly, invokeModel } = createActivities();
      const prompt = [{ role: 'user', content: [{ type: 'text', text: 'x' }] }];
      const all = [1, 2, 3].flatMap(() => [
        executeStrategyDirectly('specialist', { task: 'x' }),
        invokeModel({ modelId: 'default:', options: { prompt } }),
      ]);
      console.log((await Promise.all(all)).length);`;
    const { stdout } = await node(process.execPath, ['--input-type=module', '--eval', script]);
    expect(stdout.trim()).toBe('6');
  });
});

describe('sequential', () => {
  it('passes the previous step’s answer to each step', async () => {
    const { models, heard } = listening();
    const input = { task: 'Write a poem', steps: ['draft', 'polish'] };
    const { output } = await executeStrategyDirectly('sequential', input, {}, { models });
    const { answer, steps } = output as SequentialOutput;
    expect(heard[1]?.prompt).toContain('polish');
    expect(heard[1]?.prompt).toContain(steps[0]?.answer);
    expect(steps.map(({ step }) => step)).toEqual(['draft', 'polish']);
    expect(answer).toBe(steps[1]?.answer);
  });

  it('gives the same result for the same input on the offline model', async () => {
    const input = { task: 'Plan a trip', steps: ['where', 'when', 'how'] };
    const first = await executeStrategyDirectly('sequential', input);
    expect(first).toEqual(await executeStrategyDirectly('sequential', input));
    expect(first.asks).toBe(3);
  });
});

describe('router', () => {
  it('passes the task to the specialist that the model chose', async () => {
    const { models, heard } = listening({ answers: ['{"specialist":"tax"}'] });
    const input = { task: 'My tax is late', specialists: { tax: 'German taxes', law: 'Contracts' } };
    const { output } = await executeStrategyDirectly('router', input, {}, { models });
    expect((output as RouterOutput).specialist).toBe('tax');
    expect(heard[0]?.prompt).toContain('- law: Contracts');
    expect(heard[1]?.system).toContain('German taxes');
    expect(heard[1]?.prompt).toBe('My tax is late');
  });

  it('fails when the model chooses an unknown specialist', async () => {
    const { models } = listening({ answers: ['{"specialist":"cook"}'] });
    const input = { task: 'x', specialists: { tax: 'German taxes' } };
    await expect(executeStrategyDirectly('router', input, {}, { models })).rejects.toMatchObject({
      message: expect.stringContaining('The strategy "router" failed: No object generated'),
      nonRetryable: true,
    });
  });
});

describe('map_reduce', () => {
  it('asks about each part and combines the answers into one, in the parts’ order', async () => {
    const { models, heard } = listening();
    const parts = ['one', 'two', 'three'];
    const { output, asks } = await executeStrategyDirectly('map_reduce', { task: 'Sum up', parts }, {}, { models });
    expect(asks).toBe(4);
    expect((output as MapReduceOutput).parts).toBe(3);
    expect(heard.at(-1)?.prompt).toMatch(/Part 1: .*\nPart 2: .*\nPart 3: /);
  });

  it('asks about as many parts in parallel as its width allows, and no more', async () => {
    const { models, most } = listening({ secondsPerAsk: 0.01 });
    const parts = Array.from({ length: 12 }, (_, index) => `${index}`);
    await executeStrategyDirectly('map_reduce', { task: 'x', parts, width: 3 }, {}, { models });
    expect(most()).toBe(3);
  });

  it('splits a text without losing anything but blank lines, and makes no part too long', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[a-z ]*[a-z][a-z ]*$/), { minLength: 1 }),
        fc.integer({ min: 1, max: 40 }),
        async (paragraphs, partCharacters) => {
          const { models, heard } = listening();
          const input = { task: 'x', text: paragraphs.join('\n\n'), partCharacters, width: 1 };
          await executeStrategyDirectly('map_reduce', input, {}, { models });
          const parts = heard.slice(0, -1).map(({ prompt }) => prompt.replace(/^.*\n.*\n/, ''));
          expect(parts.join('').replaceAll('\n', '')).toBe(paragraphs.join(''));
          expect(parts.filter((part) => part.length > partCharacters)).toEqual([]);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('a strategy’s input', () => {
  const wrong: [string, unknown][] = [
    ['sequential', undefined],
    ['sequential', { task: 'x', steps: [] }],
    ['sequential', { task: 'x', steps: [1] }],
    ['router', { task: 'x', specialists: {} }],
    ['router', 'text'],
    ['map_reduce', { task: 'x' }],
    ['map_reduce', { task: 'x', parts: ['a'], width: 0 }],
    ['map_reduce', { task: 'x', parts: ['a'], text: 'b' }],
    ['specialist', { task: 'x', expertise: 5 }],
    ['specialist', null],
  ];

  it.each(wrong)('for %s is refused if it is %j, permanently and with what is needed', async (strategy, input) => {
    await expect(executeStrategyDirectly(strategy, input)).rejects.toMatchObject({
      message: expect.stringContaining(`The strategy "${strategy}" needs an input { task: string`),
      nonRetryable: true,
    });
  });
});

describe('a strategy’s invalid result', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;

  it.each([
    ['nothing', async () => undefined, 'The strategy "nothing" returned nothing: it must return its output.'],
    ['huge', async () => 'x'.repeat(3 * 1024 * 1024), "is 3.0 MB; Temporal's limit is 2.0 MB"],
    ['cyclic', async () => cyclic, 'The output of the strategy "cyclic" cannot be converted to JSON'],
    ['code', async () => () => 1, 'cannot be converted to JSON: it is a function'],
    [
      'throws',
      async () => Promise.reject(new TypeError('no such thing')),
      'The strategy "throws" failed: no such thing',
    ],
    ['throws text', async () => Promise.reject('just text'), 'The strategy "throws text" failed: just text'],
    ['shouts', async () => Promise.reject(new Error('x'.repeat(3e6))), 'The strategy "shouts" failed: xxx'],
  ])('fails permanently with a short message: %s', async (name, strategy, message) => {
    registerStrategy(name, strategy as Strategy);
    const error = await executeStrategyDirectly(name, {}).catch((cause: unknown) => cause as Error);
    expect(error).toMatchObject({ message: expect.stringContaining(message), nonRetryable: true });
    expect((error as Error).message.length).toBeLessThan(5000);
  });
});

describe('the context', () => {
  it('provides a model that works with the AI SDK’s tools', async () => {
    registerStrategy('with tools', async (_: unknown, context) => {
      const asked: string[] = [];
      const lookUp = tool({
        inputSchema: z.object({ city: z.enum(['Oslo', 'Rome']), days: z.int().min(1).max(3) }),
        execute: async ({ city }) => {
          asked.push(city);
          return `sun in ${city}`;
        },
      });
      const { text } = await generateText({
        model: context.model(),
        prompt: 'What is the weather?',
        tools: { lookUp },
        stopWhen: isStepCount(3),
        maxRetries: 0,
      });
      return { asked, text };
    });
    const { output, asks } = await executeStrategyDirectly('with tools', {});
    expect(output).toEqual({ asked: [expect.stringMatching(/Oslo|Rome/)], text: expect.stringMatching(/\w+: /) });
    expect(asks).toBe(2);
  });

  it('provides a model that works with the AI SDK’s structured output', async () => {
    const person = z.object({
      name: z.string().min(3),
      age: z.int().min(18).max(99),
      tags: z.array(z.string()),
      mood: z.enum(['good', 'bad']),
      pet: z.union([z.null(), z.object({ kind: z.literal('cat') })]),
      isHome: z.boolean(),
    });
    registerStrategy('person', async (_: unknown, context) => {
      const { output } = await generateText({
        model: context.model(),
        prompt: 'Invent a person',
        output: Output.object({ schema: person }),
      });
      return output;
    });
    const { output } = await executeStrategyDirectly('person', {});
    expect(person.parse(output)).toEqual(output);
  });

  it('stops taking items of a map when one has failed, and refuses an invalid width', async () => {
    let begun = 0;
    registerStrategy('failing map', async (width: number, context) =>
      context.map([1, 2, 3, 4, 5, 6], width, async (item) => {
        begun += 1;
        if (item === 2) throw new Error('two');
        return item;
      }),
    );
    await expect(executeStrategyDirectly('failing map', 2)).rejects.toThrow('two');
    expect(begun).toBeLessThan(6);
    await expect(executeStrategyDirectly('failing map', 0)).rejects.toThrow('whole number of at least 1, got 0');
  });
});

describe('a processorConfig', () => {
  it.each([
    [{ langfuseMode: 'clod' }, 'processorConfig.langfuseMode'],
    [{ execution: 'fast' }, 'processorConfig.execution'],
    [{ model: 'gpt' }, 'must be of the form provider:model'],
    [{ modell: 'x' }, 'modell'],
    [{ offlineModel: { secondsPerAsk: -1 } }, 'processorConfig.offlineModel.secondsPerAsk'],
    [{ offlineModel: { secondsPerAsk: 90_000 } }, '86400'],
    [{ offlineModel: { secondsPerAsk: 1 }, model: 'offline:' }, 'exclude each other'],
    ['off', 'processorConfig'],
  ])('is refused permanently if it is %j', async (config, message) => {
    const run = executeStrategyDirectly('specialist', { task: 'x' }, config as object);
    await expect(run).rejects.toMatchObject({ message: expect.stringContaining(message), nonRetryable: true });
  });
});
