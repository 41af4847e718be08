/** The demo's output: a view that redraws itself on a terminal, plain lines at intervals everywhere else. */
import type { WriteStream } from 'node:tty';

import { createLogUpdate } from 'log-update';

import { clock, renderLines, renderTable } from './view.ts';
import type { DemoView } from './view.ts';

const PLAIN_EVERY_SECONDS = 10;

export interface Screen {
  /** A line that stays. */
  note(text: string): void;
  show(view: DemoView): void;
  /** Keeps the last view on screen. */
  done(): void;
}

export function openScreen(stream: WriteStream, elapsedSeconds: () => number): Screen {
  return stream.isTTY ? liveScreen(stream, elapsedSeconds) : plainScreen(stream, elapsedSeconds);
}

function liveScreen(stream: WriteStream, elapsedSeconds: () => number): Screen {
  const update = createLogUpdate(stream);
  return {
    note: (text) => {
      update.clear();
      stream.write(`${clock(elapsedSeconds())}  ${text}\n`);
    },
    show: (view) => update(`\n${renderTable(view)}`),
    done: () => update.done(),
  };
}

function plainScreen(stream: NodeJS.WritableStream, elapsedSeconds: () => number): Screen {
  let shownAt = -Infinity;
  return {
    note: (text) => stream.write(`${clock(elapsedSeconds())}  ${text}\n`),
    show: (view) => {
      if (view.elapsedSeconds - shownAt < PLAIN_EVERY_SECONDS) return;
      shownAt = view.elapsedSeconds;
      stream.write(`${renderLines(view)}\n`);
    },
    done: () => {},
  };
}
