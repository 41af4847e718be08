/** Splits the input, calls a model for the parts with limited concurrency, and combines the answers. */
import type { MapReduceInput, MapReduceOutput } from './types.ts';
import { requireInput, type Strategy } from './strategy.ts';

const DEFAULT_PART_CHARACTERS = 8000;
const DEFAULT_WIDTH = 5;

export const mapReduce: Strategy<unknown, MapReduceOutput> = async (input, context) => {
  const { task, parts, text = '', partCharacters = DEFAULT_PART_CHARACTERS, width = DEFAULT_WIDTH } = checked(input);
  const pieces = parts ?? split(text, partCharacters);
  const answers = await context.map(pieces, width, (piece, index) =>
    context.ask(`Task: ${task}\nPart ${index + 1} of ${pieces.length}:\n${piece}`),
  );
  const found = answers.map((answer, index) => `Part ${index + 1}: ${answer}`).join('\n');
  const answer = await context.ask(`Task: ${task}\nMake one answer of what was found in each part:\n${found}`);
  return { answer, parts: pieces.length };
};

/** Splits at blank lines if there are any, otherwise wherever a part is full. */
function split(text: string, most: number): string[] {
  const parts: string[] = [];
  let part = '';
  for (const paragraph of text.split(/\n\s*\n/).flatMap((paragraph) => cut(paragraph, most))) {
    if (part !== '' && part.length + 2 + paragraph.length > most) {
      parts.push(part);
      part = '';
    }
    part = part === '' ? paragraph : `${part}\n\n${paragraph}`;
  }
  return part === '' ? parts : [...parts, part];
}

function cut(text: string, most: number): string[] {
  return Array.from({ length: Math.ceil(text.length / most) }, (_, index) =>
    text.slice(index * most, (index + 1) * most),
  );
}

function checked(input: unknown): MapReduceInput {
  const { task, parts, text, partCharacters, width } = (input ?? {}) as MapReduceInput;
  const sound =
    typeof task === 'string' &&
    (parts === undefined
      ? typeof text === 'string' && text.trim() !== ''
      : text === undefined &&
        Array.isArray(parts) &&
        parts.length > 0 &&
        parts.every((each) => typeof each === 'string')) &&
    [partCharacters, width].every((each) => each === undefined || (Number.isInteger(each) && each >= 1));
  const form =
    '{ task: string, parts: string[] or text: string, partCharacters?: number, width?: number } (numbers whole, at least 1)';
  requireInput(sound, 'map_reduce', form, input);
  return { task, parts, text, partCharacters, width } as MapReduceInput;
}
