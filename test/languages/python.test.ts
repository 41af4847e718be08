/** The short form of `npm run test:languages`, with the one language whose tools this project downloads anyway. */
import { loseNothingBeside } from './loss.ts';
import { LANGUAGES } from './workers.ts';

jest.setTimeout(600_000);

test('a Python worker with a sidecar loses no attempt to a scale-in', async () => {
  const story: string[] = [];
  const program = await LANGUAGES.python!((line) => story.push(line));
  const result = await loseNothingBeside({ language: 'python', program, steps: 5, pools: 2, seed: 1 });
  const broken = [...result.lostByUs, ...result.stuck];
  if (broken.length > 0) throw new Error([...story, ...broken].join('\n'));
  expect(result.tasksRemoved).toBeGreaterThan(0);
  expect(result.activities).toBeGreaterThan(0);
});
