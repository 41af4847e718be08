/** The what-if page's thread: runs the policy on a pool's past load, with its current settings and with others. */
/// <reference lib="webworker" />
import type { Policy } from '../../scaler/policy.ts';
import { compare } from '../../simulate/comparison.ts';
import type { Work } from '../../simulate/model.ts';
import { sampleSecondsOf, viewOf, type RunView } from '../../simulate/view.ts';

export interface WhatIf {
  minTasks: number;
  maxTasks: number;
  targetWaitSeconds: number;
  slotsPerTask: number;
  startUpSeconds: number;
}

export interface Question {
  work: Work[];
  /** The pool's other settings. */
  policy: Policy;
  asItIs: WhatIf;
  whatIf: WhatIf;
}

export interface Answer {
  sampleSeconds: number;
  /** Current settings first, then what-if settings. */
  runs: [RunView, RunView];
}

/** How long the fleet is watched after the last work. */
const TAIL_SECONDS = 300;
/** Drawn around the mean. */
const START_UP_LEAST = 0.6;
const START_UP_MOST = 1.4;

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  try {
    postMessage(answer(data));
  } catch (error) {
    postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});

function answer({ work, policy, asItIs, whatIf }: Question): Answer {
  const sampleSeconds = sampleSecondsOf(work, TAIL_SECONDS);
  const run = ({ minTasks, maxTasks, targetWaitSeconds, slotsPerTask, startUpSeconds }: WhatIf): RunView => {
    const limits = { minTasks, maxTasks };
    const startUp: [number, number] = [START_UP_LEAST * startUpSeconds, START_UP_MOST * startUpSeconds];
    const pace = { startUpSeconds: startUp, tailSeconds: TAIL_SECONDS, sampleSeconds };
    const [made] = compare(work, {
      settings: { ...limits, ...pace, slots: slotsPerTask },
      policy: { ...policy, ...limits, targetWaitSeconds, slotsPerTask, paused: false },
      peers: [],
    }).runs;
    return viewOf(made!, work, sampleSeconds);
  };
  return { sampleSeconds, runs: [run(asItIs), run(whatIf)] };
}
