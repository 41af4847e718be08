/**
 * The load: requests with given arrival and service times, drawn with a seed from the figures of a real hour; and the sender that
 * starts each on time.
 */
import { setTimeout as delay } from 'node:timers/promises';

import { seeded } from '../simulate/random.ts';

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
  const random = seeded(seed);
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

/** Linear between neighboring quantiles. */
function quantile(quantiles: number[], share: number): number {
  const position = share * (quantiles.length - 1);
  const below = Math.floor(position);
  const low = quantiles[below]!;
  return low + ((quantiles[below + 1] ?? low) - low) * (position - below);
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

/** A batch of small items: hardly any work, and many workflow tasks to see to it. */
export interface Batch {
  /** Since the start of the load. */
  atSeconds: number;
  items: number;
}

const BATCH_EVERY_SECONDS = 20;
const BATCH_ITEMS = 25;

/** For as long as the jobs come. */
export function batchesBeside(jobs: Job[]): Batch[] {
  const lastAt = jobs.at(-1)?.atSeconds ?? 0;
  const count = Math.floor(lastAt / BATCH_EVERY_SECONDS) + 1;
  return Array.from({ length: count }, (_, index) => ({ atSeconds: index * BATCH_EVERY_SECONDS, items: BATCH_ITEMS }));
}

interface SendOptions<T> {
  start: (job: T, index: number) => Promise<void>;
  onFailed: (error: unknown) => void;
  signal: AbortSignal;
  /** Starts under way at once; many, so that a slow one holds up none of the others. */
  concurrency?: number;
}

/** Starts every job on time, and returns the largest delay. */
export async function send<T extends { atSeconds: number }>(
  jobs: T[],
  options: SendOptions<T>,
): Promise<{ behindSeconds: number }> {
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
