import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Summary } from '../../simulate/score.ts';
import { search } from '../../simulate/search.ts';
import { TRACES } from '../../simulate/traces.ts';

jest.setTimeout(120_000);

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'simulate-'));

/** The command as a user runs it. */
async function simulate(...args: string[]): Promise<{ stdout: string; stderr: string; failed: boolean }> {
  const node = join(root, 'node_modules/.bin/node');
  const run = promisify(execFile)(node, [join(root, 'cli/main.ts'), 'simulate', ...args], { maxBuffer: 1e8 });
  return run.then(
    (output) => ({ ...output, failed: false }),
    ({ stdout, stderr }: { stdout: string; stderr: string }) => ({ stdout, stderr, failed: true }),
  );
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('your own trace gives a table, and the same figures as JSON', async () => {
  const rows = Array.from({ length: 300 }, (_, index) => `${(index * 37) % 600},${1 + (index % 7)}`);
  const trace = file('own.csv', ['arrival_s,service_s', ...rows].join('\n'));
  const args = ['--trace', trace, '--slots', '4', '--max', '10', '--peers', 'formula'];
  const [table, json] = await Promise.all([simulate(...args, '--no-html'), simulate(...args, '--json')]);
  const { queues } = JSON.parse(json.stdout) as { queues: { trace: string; work: number; policies: Summary[] }[] };
  expect(queues).toMatchObject([{ trace, work: 300, slots: 4 }]);
  expect(queues[0]!.policies.map(({ controller }) => controller)).toEqual(['elastic', 'formula']);
  for (const { controller, taskHours, waitP95, killed } of queues[0]!.policies) {
    const line = table.stdout.split('\n').find((each) => each.startsWith(controller))!;
    expect(line.split(/\s+/)).toEqual(
      expect.arrayContaining([taskHours.toFixed(2), waitP95.toFixed(1), String(killed)]),
    );
  }
});

test('the figures of several queues are added up', async () => {
  const { stdout } = await simulate('--trace', 'trickle', '--trace', 'heavy-tail', '--no-peers', '--json');
  const { queues, total } = JSON.parse(stdout) as { queues: { policies: Summary[] }[]; total: Summary[] };
  const parts = queues.map(({ policies }) => policies[0]!);
  expect(total[0]!.work).toBe(parts[0]!.work + parts[1]!.work);
  expect(total[0]!.taskHours).toBeCloseTo(parts[0]!.taskHours + parts[1]!.taskHours);
  const waited = parts.reduce((sum, { waitMean, work }) => sum + waitMean * work, 0);
  expect(total[0]!.waitMean).toBeCloseTo(waited / total[0]!.work);
});

test.each([
  [
    ['--trace', file('bad.csv', 'arrival_s,service_s\n1,2\n3,soon\n')],
    'bad.csv:3: service_s must be a time or a number',
  ],
  [['--trace', file('empty.csv', 'arrival_s,service_s\n')], 'empty.csv: there is no work after the header'],
  [['--trace', 'real-our'], 'Use a CSV file or one of real-hour'],
  [['--slots', '0'], "a whole number above 0, got '0'"],
  [['--start-up', '60-25'], "seconds such as 25-60, got '60-25'"],
  [['--min', '5', '--max', '2'], '--min 5 is more than --max 2'],
  [['--peers', 'kda'], "there is no 'kda'; choose from"],
  [['--policy', '{"slot":1}'], 'Unrecognized key: "slot"'],
])('%j is refused, with the reason', async (args, message) => {
  const { stderr, failed } = await simulate(...args, '--no-html');
  expect(failed).toBe(true);
  expect(stderr).toContain(message);
});

test('a search lists the cheapest settings that reach the goal first, then those that miss it by the least', () => {
  const work = TRACES['trickle']!.draw(1);
  const goal = { waitP95Seconds: 10, dollarsPerHour: 0.06 };
  const proposals = search(work, goal, { settings: {} });
  const [first] = proposals;
  // A task must run all the time: 90 s between arrivals, and half a minute to start one.
  expect(first).toMatchObject({ keeps: true, minTasks: 1 });
  expect(first!.summary.waitP95).toBeLessThanOrEqual(10);
  const kept = proposals.filter(({ keeps }) => keeps);
  expect(proposals.slice(0, kept.length)).toEqual(kept);
  const costs = kept.map(({ dollarsPerHour }) => dollarsPerHour);
  expect(costs).toEqual(costs.toSorted((a, b) => a - b));
});
