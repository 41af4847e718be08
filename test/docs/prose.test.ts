/** The documents are written in plain English: the linter finds the phrases it is meant to find, and none of them in the documents. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documents, findingsIn, literalsOf, proseOf } from '../../scripts/prose.ts';
import { root } from './markdown.ts';

test.each([
  'who shall leave',
  'tasks that shall leave',
  'nobody leaves',
  'nobody comes or goes',
  'the alarm rings',
  'no alarm rings',
  '95 in 100 wait 40 s at most',
  'Fewest tasks',
  'Most tasks',
  'Start of a task, s',
  'fewer would do, but the need may come back sooner than a task could',
  'what is needless leaves when keeping it would cost more than starting another',
  'Away with it',
  'it is told',
  'tells of',
  'is minded',
  'whoever may tag a service',
  'Look at it',
  'how it is mended',
  '10 unless said',
  'the fleet shrinks',
  'colours are modelled',
])('"%s" is found', (phrase) => {
  expect(findingsIn(`It says ${phrase}.`)).not.toEqual([]);
});

test.each([
  'tasks to remove',
  'the fleet stays the same size',
  'no alarms are firing',
  'p95 wait: 40 s',
  'Min tasks, Max tasks, Start-up time (s)',
  'capacity kept: demand is likely to return before a new task could start',
  'surplus tasks are removed once keeping them costs more than starting new ones',
  'the kind of work that needs most tasks decides',
  'the worker was told to stop',
  'anyone with permission to tag the service',
])('"%s" is not found', (phrase) => {
  expect(findingsIn(`It says ${phrase}.`)).toEqual([]);
});

test('a phrase is found across a line break, with the line where it starts', () => {
  expect(findingsIn('First.\nThen the alarm\nrings; no alarms\nring.')).toMatchObject([{ line: 3 }, { line: 3 }]);
});

test.each(documents())('%s contains no such phrase', (path) => {
  expect(findingsIn(proseOf(readFileSync(join(root, path), 'utf8')))).toEqual([]);
});

test('code, link targets and quoted test titles are not checked', () => {
  const page =
    '`shall` and [it](#shall)\n\n```sh\nshall\n```\n\nSeen in [a](b): "it\nshall", "it shall"\n\n`a.test.ts` "it shall" · "it shall"';
  expect(findingsIn(proseOf(page))).toEqual([]);
  expect(findingsIn(proseOf('"it shall"'))).toHaveLength(1);
});

test('string literals of several words in code are checked', () => {
  const code =
    "// it shall\nconst shall = 'shall';\nthrow new Error(`it ${shall} and\nshall`);\n/* it shall */ say('it shall');";
  expect(findingsIn(literalsOf(code)).map(({ line }) => line)).toEqual([4, 5]);
});
