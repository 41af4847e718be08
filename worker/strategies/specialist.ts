/** One expert prompt: a model answers the task as an expert in a given field. */
import type { SpecialistInput, SpecialistOutput } from './types.ts';
import { requireInput, type Strategy, type StrategyContext } from './strategy.ts';

export const specialist: Strategy<unknown, SpecialistOutput> = async (input, context) => {
  const { task, expertise = 'Solving tasks of every kind with care' } = checked(input);
  return { answer: await askSpecialist(context, task, expertise) };
};

export function askSpecialist(context: StrategyContext, task: string, expertise: string): Promise<string> {
  return context.ask(task, {
    system: `You are an expert. Your field: ${expertise}. Say so when a task lies outside of it.`,
  });
}

function checked(input: unknown): SpecialistInput {
  const { task, expertise } = (input ?? {}) as SpecialistInput;
  const sound = typeof task === 'string' && (expertise === undefined || typeof expertise === 'string');
  requireInput(sound, 'specialist', '{ task: string, expertise?: string }', input);
  return { task, ...(expertise !== undefined && { expertise }) };
}
