/**
 * The tests that may take longest begin first, so that none is left alone at the end: each file states its time limits. Most of that time
 * they wait, so three files run at a time on two processors.
 */
import { readFileSync } from 'node:fs';
import Sequencer from '@jest/test-sequencer';

/** Milliseconds from a second up, in the project's notation: 480_000. */
const LIMITS = /\b(\d{1,3})_000\b/g;

function longestLimit(path) {
  return Math.max(0, ...[...readFileSync(path, 'utf8').matchAll(LIMITS)].map(([, seconds]) => Number(seconds)));
}

export default class LongestFirst extends Sequencer {
  async sort(tests) {
    const limits = new Map(tests.map(({ path }) => [path, longestLimit(path)]));
    return (await super.sort(tests)).toSorted((a, b) => limits.get(b.path) - limits.get(a.path));
  }
}
