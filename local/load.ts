/**
 * The load: requests that arrive at given times and take given times, drawn with a seed from the figures of a real
 * hour, or read from a trace file; and the sender that starts each on time.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Request {
  /** Since the start of the load. */
  arrivalSeconds: number;
  serviceSeconds: number;
}

/** An hour of real requests in figures. */
export interface LoadProfile {
  source: string;
  arrivalsPer10Seconds: number[];
  /** The service time's quantiles in equal steps, from the least to the most. */
  serviceSecondsQuantiles40: number[];
}

const BUCKET_SECONDS = 10;

/** Arrivals are Poisson within each of the profile's 10 s; equal seeds give equal requests. */
export function drawRequests(profile: LoadProfile, { seed, minutes }: { seed: number; minutes: number }): Request[] {
  const random = mulberry32(seed);
  const end = minutes * 60;
  const requests: Request[] = [];
  profile.arrivalsPer10Seconds.forEach((count, bucket) => {
    const bucketEnd = Math.min((bucket + 1) * BUCKET_SECONDS, end);
    let arrivalSeconds = bucket * BUCKET_SECONDS;
    for (;;) {
      arrivalSeconds += (-Math.log(1 - random()) * BUCKET_SECONDS) / count;
      if (!(arrivalSeconds < bucketEnd)) return;
      requests.push({ arrivalSeconds, serviceSeconds: quantile(profile.serviceSecondsQuantiles40, random()) });
    }
  });
  return requests;
}

/** Linear between neighbouring quantiles. */
function quantile(quantiles: number[], share: number): number {
  const position = share * (quantiles.length - 1);
  const below = Math.floor(position);
  const low = quantiles[below]!;
  return low + ((quantiles[below + 1] ?? low) - low) * (position - below);
}

/** A small, seeded generator of numbers in [0, 1): Tommy Ettinger's mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Thrown when a trace cannot be read as one; the message names file, line and what is wrong there. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
}

interface TraceFormat {
  columns: string[];
  /** NaN where a field is not what it should be. */
  read(fields: string[]): Request;
}

const FORMATS: TraceFormat[] = [
  {
    columns: ['arrival_s', 'service_s'],
    read: ([arrival, service]) => ({ arrivalSeconds: numberOf(arrival), serviceSeconds: numberOf(service) }),
  },
  {
    // The Azure LLM inference traces; the service time is a model of theirs, of about 33 tokens a second.
    columns: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'],
    read: ([timestamp, context, generated]) => ({
      arrivalSeconds: timestampSeconds(timestamp),
      serviceSeconds: 1 + 0.03 * numberOf(generated) + 0.0002 * numberOf(context),
    }),
  },
];

/** The rows of a CSV trace in the order of arrival, the first at 0. */
export function parseTrace(text: string, file: string): Request[] {
  const [header = '', ...rows] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const format = FORMATS.find(({ columns }) => columns.join() === header.replaceAll(/[\s"]/g, ''));
  if (!format) {
    const known = FORMATS.map(({ columns }) => `'${columns.join()}'`).join(' or ');
    throw new TraceError(`${file}:1: the header must be ${known}, got '${header.slice(0, 80)}'`);
  }
  const requests = rows.flatMap((row, index) => (row.trim() ? [parseRow(format, row, `${file}:${index + 2}`)] : []));
  if (requests.length === 0) throw new TraceError(`${file}: there are no requests after the header`);
  requests.sort((a, b) => a.arrivalSeconds - b.arrivalSeconds);
  const start = requests[0]!.arrivalSeconds;
  return requests.map((request) => ({ ...request, arrivalSeconds: request.arrivalSeconds - start }));
}

function parseRow({ columns, read }: TraceFormat, row: string, where: string): Request {
  const fields = row.split(',').map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
  if (fields.length !== columns.length) {
    throw new TraceError(`${where}: ${columns.length} fields expected (${columns.join()}), got '${row.slice(0, 80)}'`);
  }
  const request = read(fields);
  if (!Number.isFinite(request.arrivalSeconds)) throw unreadable(where, columns[0]!, fields[0]!);
  if (!(request.serviceSeconds >= 0)) throw unreadable(where, columns.slice(1).join(), fields.slice(1).join());
  return request;
}

function unreadable(where: string, columns: string, value: string): TraceError {
  return new TraceError(`${where}: ${columns} must be a time or a number of at least 0, got '${value}'`);
}

/** Plain decimal numbers only: no '', no hexadecimal, no Infinity, nothing negative. */
function numberOf(field = ''): number {
  return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(field) ? Number(field) : Number.NaN;
}

/** UTC, unless it says otherwise. */
function timestampSeconds(field = ''): number {
  const [, date, time, zone = 'Z'] =
    /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)?$/.exec(field) ?? [];
  return Date.parse(`${date}T${time}${zone}`) / 1000;
}

/** A request as it is replayed: `speed` times as fast. */
export interface Job {
  /** Since the start of the load. */
  atSeconds: number;
  workSeconds: number;
  /** Its request takes longer than a quick answer may. */
  isLong: boolean;
}

/** Longer ones, at their real speed, are for the pool of long analyses. */
const QUICK_SECONDS = 6;

export function jobsOf(requests: Request[], speed: number): Job[] {
  return requests.map(({ arrivalSeconds, serviceSeconds }) => ({
    atSeconds: arrivalSeconds / speed,
    workSeconds: serviceSeconds / speed,
    isLong: serviceSeconds > QUICK_SECONDS,
  }));
}

export interface SendOptions {
  start: (job: Job, index: number) => Promise<void>;
  onFailed: (error: unknown) => void;
  signal: AbortSignal;
  /** Starts under way at once; many, so that a slow one holds up none of the others. */
  concurrency?: number;
}

/** Starts every job at its time, and returns how far behind time it ever was. */
export async function send(jobs: Job[], options: SendOptions): Promise<{ behindSeconds: number }> {
  const { start, onFailed, signal, concurrency = 200 } = options;
  const begin = performance.now();
  const underWay = new Set<Promise<void>>();
  let behindSeconds = 0;
  for (const [index, job] of jobs.entries()) {
    const due = begin + job.atSeconds * 1000;
    if (due > performance.now()) await delay(due - performance.now(), undefined, { signal });
    signal.throwIfAborted();
    behindSeconds = Math.max(behindSeconds, (performance.now() - due) / 1000);
    const starting: Promise<void> = start(job, index)
      .catch(onFailed)
      .finally(() => underWay.delete(starting));
    underWay.add(starting);
    if (underWay.size >= concurrency) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  return { behindSeconds };
}
