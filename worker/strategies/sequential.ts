/** Runs steps in sequence: each gets the task and the previous step's answer; the last answer is the result. */
import type { SequentialInput, SequentialOutput } from './types.ts';
import { requireInput, type Strategy } from './strategy.ts';

export const sequential: Strategy<unknown, SequentialOutput> = async (input, context) => {
  const { task, steps } = checked(input);
  const answers: SequentialOutput['steps'] = [];
  let answer = '';
  for (const step of steps) {
    answer = await context.ask(promptFor(task, step, answer));
    answers.push({ step, answer });
  }
  return { answer, steps: answers };
};

function promptFor(task: string, step: string, previous: string): string {
  const lines = [`Task: ${task}`, `Step: ${step}`];
  if (previous !== '') lines.push(`Result of the previous step: ${previous}`);
  return lines.join('\n');
}

function checked(input: unknown): SequentialInput {
  const { task, steps } = (input ?? {}) as SequentialInput;
  const sound =
    typeof task === 'string' &&
    Array.isArray(steps) &&
    steps.length > 0 &&
    steps.every((step) => typeof step === 'string');
  requireInput(sound, 'sequential', '{ task: string, steps: string[] } with at least one step', input);
  return { task, steps };
}
