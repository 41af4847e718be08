/** A cell is one regime, load and seed: each version of our policy and the peers run on the same work. Cells run in threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { clairvoyant } from './clairvoyant.ts';
import { peerNamed } from './comparison.ts';
import { elastic, type Variant } from './elastic.ts';
import { scoreBound } from './lower-bound.ts';
import { DEFAULT_SETTINGS, simulate } from './model.ts';
import { decideOf } from './policy-variant.ts';
import { REGIMES } from './regimes.ts';
import { DEFAULT_TASK_SIZE, summarize, type Summary } from './score.ts';

/** Can be sent to a thread. */
export interface Version {
  name: string;
  overrides?: Variant['overrides'];
  /** A bundle of the policy (default: the shipped policy). */
  bundle?: string;
}

export interface Cell {
  regime: string;
  load: string;
  seed: number;
}

export interface CellResult extends Cell {
  /** First the versions, then the peers. */
  summaries: Summary[];
  /** The lower bound of the score; 0 where it was not requested. */
  bound: number;
}

export interface Players {
  versions: Version[];
  peers?: string[];
  /** Whether to calculate the lower bound of the score. */
  bound?: boolean;
}

type RunCell = (cell: Cell) => CellResult;

export function cellRunner({ versions, peers = [], bound = false }: Players): RunCell {
  const variants = versions.map(({ overrides, bundle }) => ({
    overrides,
    ...(bundle !== undefined && { decide: decideOf(bundle) }),
  }));
  return (cell) => {
    const { settings: own, tickSeconds, loads } = REGIMES[cell.regime]!;
    const { draw, slots } = loads[cell.load]!;
    const settings = { ...DEFAULT_SETTINGS, ...own, slots, seed: cell.seed };
    const work = draw(cell.seed);
    const reference = clairvoyant(work, settings);
    const controllers = [
      ...variants.map((variant) => elastic(settings, { ...variant, tickSeconds })),
      ...peers.map((name) => peerNamed(name, settings)),
    ];
    const summaries = controllers.map((controller, index) => ({
      ...summarize(simulate(work, controller, settings), reference, slots, DEFAULT_TASK_SIZE),
      controller: versions[index]?.name ?? controller.name,
    }));
    return { ...cell, summaries, bound: bound ? scoreBound(work, settings, reference.billedSeconds) : 0 };
  };
}

/** The results are in the order of the cells. */
export async function runCells(cells: Cell[], players: Players, threads: number): Promise<CellResult[]> {
  const results: CellResult[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    const thread = new Worker(new URL('bench-thread.ts', import.meta.url), { workerData: players });
    while (next < cells.length) {
      const index = next++;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      thread.postMessage(cells[index]);
      [results[index]] = (await once(thread, 'message')) as [CellResult];
    }
    await thread.terminate();
  };
  await Promise.all(Array.from({ length: threads }, work));
  return results;
}
