/** The worker's workflows with a team's own strategies, registered for the sandbox and the activities alike. */
import { generateText, isStepCount, tool } from 'ai';
import { z } from 'zod';
import { registerStrategy } from '../../worker/strategies/index.ts';

registerStrategy('with tools', async (question: string, context) => {
  const lookUp = tool({
    inputSchema: z.object({ city: z.enum(['Oslo', 'Rome']) }),
    execute: async ({ city }) => `sun in ${city}`,
  });
  const model = context.model();
  const { text, steps } = await generateText({ model, prompt: question, tools: { lookUp }, stopWhen: isStepCount(3) });
  return { text, tools: steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output)) };
});
registerStrategy('other model', async (id: string, context) => context.ask('x', { model: id }));
registerStrategy('nothing', async () => undefined);
registerStrategy('throws', async () => {
  throw new TypeError('no such thing');
});
registerStrategy('huge', async () => 'x'.repeat(3 * 1024 * 1024));
registerStrategy('asks too much', async (_: unknown, context) => context.ask('x'.repeat(3 * 1024 * 1024)));

export * from '../../worker/workflows.ts';
