/** The short form of `npm run test:faults`. */
import { loseNothing } from './nothing-lost.ts';

jest.setTimeout(600_000);

test('no scale-in or deployment ends an attempt; without protection and cordons, some do', async () => {
  const story: string[] = [];
  const onProgress = (line: string) => story.push(line);
  const short = { steps: 10, pools: 2, longestSeconds: 5, patienceSeconds: 60 };
  const result = await loseNothing({ seed: 3, ...short, onProgress });
  if (result.lostByUs.length > 0) throw new Error([...result.lostByUs, ...story].join('\n'));
  expect(result).toMatchObject({ failedWorkflows: [] });
  expect(result.activities).toBeGreaterThan(0);
  expect(result.lostByUsUnprotected).toBeGreaterThan(0);
});
