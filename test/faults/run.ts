/** The long form: `npm run test:faults -- --steps 1000`. Prints its seed, what was lost, and the command to repeat it. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loseNothing } from './nothing-lost.ts';

/** As many as two cores can run. */
const POOLS = 5;
const { values } = parseArgs({ options: { steps: { type: 'string' }, seed: { type: 'string' } } });
const steps = Number(values.steps ?? 100);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (!(steps >= 1) || !Number.isInteger(seed)) {
  throw new Error(`--steps ${values.steps} --seed ${values.seed}: give whole numbers, of steps at least 1`);
}

const replay = `node test/faults/run.ts --steps ${steps} --seed ${seed}`;
console.log(`${steps} scale-in steps, seed ${seed}; again: ${replay}`);
execFileSync(process.execPath, [join(import.meta.dirname, '../../build.ts')], { stdio: 'inherit' });
const startedAt = Date.now();
const result = await loseNothing({ seed, steps, pools: POOLS, onProgress: console.log });
console.log(JSON.stringify({ ...result, seconds: Math.round((Date.now() - startedAt) / 1000) }, null, 2));
const broken = result.lostByUs.length + result.failedWorkflows.length > 0 || result.lostByUsUnprotected === 0;
console.log(broken ? `A promise is broken; again: ${replay}` : 'Nothing was lost through the scaler.');
process.exitCode = broken ? 1 : 0;
