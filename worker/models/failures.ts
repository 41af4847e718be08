/**
 * Translates a model's failure for Temporal, which does all retries. Too many requests, overload and a lost connection are worth
 * another attempt, no sooner than the provider says, if it does; a request that the provider refuses is not.
 */
import { AISDKError, APICallError, InvalidResponseDataError, JSONParseError } from '@ai-sdk/provider';
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { InvalidRequestError } from '../strategies/strategy.ts';

const MODEL_BUSY = 'ModelBusy';
const MODEL_UNREACHABLE = 'ModelUnreachable';
const MODEL_REFUSED = 'ModelRefused';

const BUSY = new Set([429, 503, 529]);
/** A provider that asks for a longer delay is retried after this time anyway. */
const LONGEST_WAIT_MS = 60 * 60 * 1000;

export function modelFailure(modelId: string, error: unknown, now: number): unknown {
  if (error instanceof TemporalFailure || (error instanceof Error && error.name === 'AbortError')) return error;
  if (APICallError.isInstance(error)) return ofCall(modelId, error, now);
  const message = `The model "${modelId}" failed: ${messageOf(error)}`;
  // A garbled answer may be complete the next time.
  const garbled = JSONParseError.isInstance(error) || InvalidResponseDataError.isInstance(error);
  if (error instanceof InvalidRequestError) return failure(error.message, error.name, true);
  if (AISDKError.isInstance(error) && !garbled) return failure(message, MODEL_REFUSED, true);
  return failure(message, MODEL_UNREACHABLE, false);
}

function ofCall(modelId: string, error: APICallError, now: number): ApplicationFailure {
  const { statusCode, responseHeaders } = error;
  if (statusCode === undefined) {
    return failure(`Cannot reach the model "${modelId}": ${messageOf(error)}`, MODEL_UNREACHABLE, !error.isRetryable);
  }
  const message = `The model "${modelId}" answered with HTTP ${statusCode}: ${messageOf(error)}`;
  if (BUSY.has(statusCode)) return failure(message, MODEL_BUSY, false, retryAfterMs(responseHeaders, now));
  return failure(message, error.isRetryable ? MODEL_UNREACHABLE : MODEL_REFUSED, !error.isRetryable);
}

/** In milliseconds (as some providers send), in seconds, or as a date. */
function retryAfterMs(headers: Record<string, string> | undefined, now: number): number | undefined {
  const milliseconds = Number.parseFloat(headers?.['retry-after-ms'] ?? '');
  const after = headers?.['retry-after'] ?? '';
  const seconds = Number.parseFloat(after);
  const wait = [milliseconds, /^\d/.test(after) ? seconds * 1000 : Date.parse(after) - now].find(Number.isFinite);
  return wait === undefined ? undefined : Math.min(Math.max(Math.ceil(wait), 1), LONGEST_WAIT_MS);
}

/** Has no cause: a provider's error contains the whole request, including headers. */
function failure(message: string, type: string, nonRetryable: boolean, retryMs?: number): ApplicationFailure {
  const nextRetryDelay = retryMs === undefined ? {} : { nextRetryDelay: retryMs };
  return ApplicationFailure.create({ message, type, nonRetryable, ...nextRetryDelay });
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.slice(0, 1000).replaceAll(/\b(sk|pk|key|Bearer)[-_ ][\w*.-]{8,}/gi, '[secret]');
}
