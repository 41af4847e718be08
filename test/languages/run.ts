/** The long form: `npm run test:languages -- --steps 300 --languages python,go,java`. Prints what was lost or is missing. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loseNothingBeside } from './loss.ts';
import { LANGUAGES } from './workers.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { steps: text, seed: text, languages: text, pools: text } });
const steps = Number(values.steps ?? 300);
/** As many as two cores can run. */
const pools = Number(values.pools ?? 5);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const wanted = values.languages?.split(',') ?? Object.keys(LANGUAGES);
const unknown = wanted.filter((language) => !Object.hasOwn(LANGUAGES, language));
if (!(steps >= 1) || !(pools >= 1) || !Number.isInteger(seed) || unknown.length > 0) {
  throw new Error(
    `--steps ${values.steps} --pools ${values.pools} --seed ${values.seed} --languages ${values.languages}: give whole numbers, of steps and pools at least 1, ` +
      `and languages out of ${Object.keys(LANGUAGES).join(', ')}`,
  );
}

execFileSync(process.execPath, [join(import.meta.dirname, '../../build.ts')], { stdio: 'inherit' });
let broken = false;
for (const language of wanted) broken = !(await holds(language)) || broken;
process.exitCode = broken ? 1 : 0;

async function holds(language: string): Promise<boolean> {
  const program = await LANGUAGES[language]!(console.log).catch((error: Error) => {
    console.log(`NOT TESTED, ${language}: ${error.message}`);
    return undefined;
  });
  // A requested language must be available.
  if (program === undefined) return values.languages === undefined;
  console.log(`${language}: ${steps} scale-in steps, seed ${seed}`);
  const startedAt = Date.now();
  const result = await loseNothingBeside({ language, program, steps, seed, pools, onProgress: console.log });
  console.log(JSON.stringify({ ...result, seconds: Math.round((Date.now() - startedAt) / 1000) }, null, 2));
  const kept = result.lostByUs.length + result.stuck.length === 0;
  console.log(kept ? `${language}: nothing was lost by us` : `${language}: a promise is broken`);
  return kept;
}
