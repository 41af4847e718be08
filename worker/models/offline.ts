/**
 * The embedded model, so that demo and tests need no key and no network. Its answer depends only on the call, and it takes as
 * long as its id says (`offline:2.5` answers after 2.5 seconds). With tools, it calls one before it answers; asked for JSON, it
 * answers with data that fits the schema.
 */
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type {
  JSONSchema7,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
} from '@ai-sdk/provider';
import { MOST_SECONDS_PER_ASK } from '../strategies/processor-config.ts';
import { InvalidRequestError } from '../strategies/strategy.ts';

export function offlineModel(modelId = ''): LanguageModelV4 {
  const seconds = Number(modelId);
  if (!(seconds >= 0 && seconds <= MOST_SECONDS_PER_ASK)) {
    throw new InvalidRequestError(
      `The model "offline:${modelId}" does not exist: write offline: or the seconds it takes, from 0 to ${MOST_SECONDS_PER_ASK}, such as offline:2.5.`,
    );
  }
  return {
    specificationVersion: 'v4',
    provider: 'offline',
    modelId,
    supportedUrls: {},
    async doGenerate(call) {
      call.abortSignal?.throwIfAborted();
      if (seconds > 0) await wait(seconds * 1000, undefined, { ...(call.abortSignal && { signal: call.abortSignal }) });
      return answerTo(call);
    },
    doStream() {
      throw new InvalidRequestError(
        'The offline model does not support streaming: use generateText instead of streamText.',
      );
    },
  };
}

function answerTo(call: LanguageModelV4CallOptions): LanguageModelV4GenerateResult {
  const asked = JSON.stringify(call.prompt);
  const draw = drawing(asked);
  const content = toolCall(call, draw) ?? { type: 'text' as const, text: textFor(call, draw) };
  const callsTool = content.type === 'tool-call';
  const [input, output] = [tokens(asked), tokens(JSON.stringify(content))];
  return {
    content: [content],
    finishReason: { unified: callsTool ? 'tool-calls' : 'stop', raw: undefined },
    usage: {
      inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: output, text: output, reasoning: 0 },
    },
    warnings: [],
  };
}

/** Calls a tool once, unless there is already a tool's answer. */
function toolCall(call: LanguageModelV4CallOptions, draw: Draw): LanguageModelV4Content | undefined {
  const { tools = [], toolChoice, prompt } = call;
  const choice = toolChoice?.type === 'tool' ? toolChoice.toolName : undefined;
  const offered = tools.filter((tool) => tool.type === 'function' && (choice === undefined || tool.name === choice));
  if (offered.length === 0 || toolChoice?.type === 'none' || prompt.some(({ role }) => role === 'tool'))
    return undefined;
  const tool = draw.pick(offered);
  if (tool.type !== 'function') return undefined;
  const input = JSON.stringify(fitting(tool.inputSchema, draw));
  return { type: 'tool-call', toolCallId: `call-${draw.word()}`, toolName: tool.name, input };
}

function textFor({ responseFormat }: LanguageModelV4CallOptions, draw: Draw): string {
  if (responseFormat?.type === 'json') return JSON.stringify(fitting(responseFormat.schema ?? {}, draw));
  return sentence(draw);
}

const openings = ['In short', 'On balance', 'As asked', 'Looking closer', 'Step by step', 'To begin with'];
const verdicts = ['proceed', 'revise', 'escalate', 'merge', 'wait', 'split the work', 'ask the owner'];

function sentence(draw: Draw): string {
  return `${draw.pick(openings)}: ${draw.pick(verdicts)} (${draw.word()}).`;
}

interface Draw {
  pick<T>(from: readonly T[]): T;
  word(): string;
}

/** Picks by the hash of the prompt and the number of earlier picks. */
function drawing(asked: string): Draw {
  const hash = createHash('sha256').update(asked).digest();
  let at = 0;
  return {
    pick: (from) => from[hash.readUInt16BE((at++ * 2) % 30) % from.length]!,
    word: () => hash.toString('hex', 20, 26),
  };
}

/** A value in the schema's form; covers what Zod schemas commonly contain. */
function fitting(schema: JSONSchema7 | boolean, draw: Draw): unknown {
  if (typeof schema === 'boolean') return null;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return draw.pick(schema.enum);
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants?.length) return fitting(draw.pick(variants), draw);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'array') return listFitting(schema, draw);
  if (type === 'boolean') return draw.pick([true, false]);
  if (type === 'integer' || type === 'number') return numberFitting(schema, draw);
  if (type === 'string')
    return sentence(draw)
      .slice(0, schema.maxLength)
      .padEnd(schema.minLength ?? 0, '.');
  if (type === 'null') return null;
  const properties = Object.entries(schema.properties ?? {});
  return Object.fromEntries(properties.map(([name, property]) => [name, fitting(property, draw)]));
}

function listFitting({ items, minItems = 2 }: JSONSchema7, draw: Draw): unknown[] {
  const item = Array.isArray(items) ? items[0] : items;
  return Array.from({ length: minItems }, () => fitting(item ?? {}, draw));
}

function numberFitting({ minimum, maximum }: JSONSchema7, draw: Draw): number {
  const least = minimum ?? 0;
  return Math.min(least + draw.pick([0, 1, 2, 3, 5, 8]), maximum ?? Infinity);
}

/** About four characters each, as a rule of thumb. */
function tokens(text: string): number {
  return Math.ceil(text.length / 4);
}
