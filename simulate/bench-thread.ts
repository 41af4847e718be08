/** A thread of the benchmark: runs each cell that it is sent. */
import { parentPort, workerData } from 'node:worker_threads';
import { cellRunner, type Cell, type Players } from './cells.ts';

const run = cellRunner(workerData as Players);
parentPort?.on('message', (cell: Cell) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
  parentPort?.postMessage(run(cell));
});
