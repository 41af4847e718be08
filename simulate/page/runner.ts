/** Runs the comparison in a web worker, and tells of each run as it is done. */
/// <reference lib="webworker" />
import { clairvoyant } from '../clairvoyant.ts';
import { OURS, runsOf } from '../comparison.ts';
import { DEFAULT_SETTINGS } from '../model.ts';
import { arrivalsPerSecond, sampleSecondsOf, viewOf, workOf, type LoadView, type RunView } from '../view.ts';

export type Request = Pick<LoadView, 'source' | 'options'>;
export type Answer = { load: LoadView } | { run: RunView } | { done: true } | { error: string };

export function answerRequests(): void {
  addEventListener('message', ({ data }: MessageEvent<Request>) => {
    try {
      answer(data);
      tell({ done: true });
    } catch (error) {
      tell({ error: error instanceof Error ? error.message : String(error) });
    }
  });
}

function answer({ source, options }: Request): void {
  const work = workOf(source, options.settings.seed ?? DEFAULT_SETTINGS.seed);
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const sampleSeconds = sampleSecondsOf(work, settings.tailSeconds);
  const sampled = { ...options, settings: { ...settings, sampleSeconds } };
  for (const run of runsOf(work, sampled, clairvoyant(work, settings))) {
    const view = viewOf(run, work, sampleSeconds);
    const arrivals = arrivalsPerSecond(work, sampleSeconds, view.queued.length);
    if (run.summary.controller !== OURS) tell({ run: view });
    else
      tell({ load: { source, options, count: work.length, sampleSeconds, arrivalsPerSecond: arrivals, runs: [view] } });
  }
}

function tell(answer: Answer): void {
  postMessage(answer);
}
