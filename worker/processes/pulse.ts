/**
 * Ends a process whose event loop is blocked for good, as by an endless loop, so that another takes its place.
 *
 * A blocked event loop may well be at work: an activity that computes for an hour does not respond either. The activities' own
 * timeouts distinguish the two cases: once the server has given up everything that ran here, ending the process loses no work.
 * The main thread publishes once a second when that would be, and a thread beside it watches.
 */
import { writeSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';

/** What the two threads share. */
export interface PulseData {
  /** How often the event loop has turned, 0 while it is not watched; and when its work is lost, in epoch milliseconds. */
  values: Float64Array;
  hungSeconds: number;
}

const BEATS = 0;
const LOST_AT = 1;
const BEAT_EVERY_MS = 1000;
/** The server's clock may be another. */
const CLOCKS_DIFFER_MS = 5000;

export class Pulse {
  readonly data: PulseData;
  readonly #lostAt: (now: number) => number;
  #timer: NodeJS.Timeout | undefined;

  /** `lostAt`: when all that runs is lost, if the event loop stands still from now on. */
  constructor(hungSeconds: number, lostAt: (now: number) => number) {
    this.data = { values: new Float64Array(new SharedArrayBuffer(16)), hungSeconds };
    this.#lostAt = lostAt;
  }

  start(): void {
    this.#beat();
    this.#timer = setInterval(() => this.#beat(), BEAT_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.data.values[BEATS] = 0;
  }

  /** Work has begun since the last beat, which is lost then: the event loop may stand still before the next. */
  extend(lostAt: number): void {
    const { values } = this.data;
    values[LOST_AT] = Math.max(values[LOST_AT]!, lostAt);
  }

  #beat(): void {
    // A debugger may hold it for as long as it likes.
    this.data.values[LOST_AT] = inspectorUrl() === undefined ? this.#lostAt(Date.now()) : Infinity;
    this.data.values[BEATS]! += 1;
  }
}

/** In the other thread. It counts what it saw itself: while the whole machine sleeps, nothing hangs. */
export function watchPulse({ values, hungSeconds }: PulseData): void {
  let seen = 0;
  let stillForMs = 0;
  const look = () => {
    stillForMs = values[BEATS] === seen ? stillForMs + BEAT_EVERY_MS : 0;
    seen = values[BEATS]!;
    const isHung = stillForMs >= hungSeconds * 1000 && Date.now() > values[LOST_AT]! + CLOCKS_DIFFER_MS;
    if (seen === 0 || !isHung) return;
    clearInterval(timer);
    end(stillForMs / 1000);
  };
  const timer = setInterval(look, BEAT_EVERY_MS).unref();
}

function end(seconds: number): void {
  const hangs = `The event loop has been blocked for ${seconds} seconds, and everything that ran here has timed out`;
  // The first process of a container gets no signal from within it.
  if (process.pid === 1) {
    say(`${hangs}. This process cannot end itself: run its container with an init process (docker run --init)`);
    return;
  }
  say(`${hangs}: ending the process, so that another takes its place. Look for an activity that never returns`);
  process.kill(process.pid, 'SIGKILL');
}

/** Not by the log, which needs the main thread. */
function say(message: string): void {
  writeSync(1, `${JSON.stringify({ level: 'fatal', time: new Date().toISOString(), message })}\n`);
}
