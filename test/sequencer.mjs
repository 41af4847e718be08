/**
 * Mixes test files that mostly wait for a whole system, as their time limits show, with files that mostly calculate, so that the
 * processors are always busy. Those that wait take the longest, so half of the others come after all of them.
 */
import { readFileSync } from 'node:fs';
import Sequencer from '@jest/test-sequencer';

/** Milliseconds, in the project's notation: 480_000. */
const LIMITS = /\b(\d{1,3})_000\b/g;
/** Files with such a limit wait for most of their time. */
const LONG_SECONDS = 240;

function limitOf({ path }) {
  return Math.max(0, ...[...readFileSync(path, 'utf8').matchAll(LIMITS)].map(([, seconds]) => Number(seconds)));
}

export default class Mixed extends Sequencer {
  async sort(tests) {
    const limits = new Map(tests.map((test) => [test, limitOf(test)]));
    const sorted = (await super.sort(tests)).toSorted((a, b) => limits.get(b) - limits.get(a));
    const long = sorted.filter((test) => limits.get(test) >= LONG_SECONDS);
    const short = sorted.slice(long.length);
    const each = Math.ceil(short.length / 2 / Math.max(1, long.length));
    return [
      ...long.flatMap((test, index) => [test, ...short.slice(index * each, (index + 1) * each)]),
      ...short.slice(long.length * each),
    ];
  }
}
