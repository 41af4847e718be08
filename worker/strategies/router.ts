/** Classifies the task, then passes it to the specialist for that class. */
import { z } from 'zod';
import type { RouterInput, RouterOutput } from './types.ts';
import { askSpecialist } from './specialist.ts';
import { requireInput, type Strategy } from './strategy.ts';

export const router: Strategy<unknown, RouterOutput> = async (input, context) => {
  const { task, specialists } = checked(input);
  const names = Object.keys(specialists);
  const listed = names.map((name) => `- ${name}: ${specialists[name]}`).join('\n');
  const { specialist } = await context.ask(`Task: ${task}\n\nSpecialists:\n${listed}`, {
    system: 'Choose the specialist whose field fits the task best.',
    schema: z.object({ specialist: z.enum(names) }),
  });
  return { specialist, answer: await askSpecialist(context, task, specialists[specialist]!) };
};

function checked(input: unknown): RouterInput {
  const { task, specialists } = (input ?? {}) as RouterInput;
  const fields = Object.values(specialists ?? {});
  const sound = typeof task === 'string' && fields.length > 0 && fields.every((field) => typeof field === 'string');
  requireInput(sound, 'router', '{ task: string, specialists: { [name]: field } } with at least one specialist', input);
  return { task, specialists };
}
