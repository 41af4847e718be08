/** Why a pool has the size it has: its last decisions with their numbers, from the scaler's log. */
import { MEANINGS } from '../deployed/reasons.ts';
import type { LoggedTick } from '../scaler/report/written.ts';
import { readTicks } from '../deployed/scaler-log.ts';
import { CommandError } from '../deployed/errors.ts';
import { count } from '../deployed/words.ts';
import { hanging, wholeNumber, type Common, type Shell } from './shell.ts';
import { spellsOf, type Spell } from '../deployed/spells.ts';
import { openPool, reasonOf, type Stack } from '../deployed/stacks.ts';

interface ExplainOptions extends Common {
  last: string;
}

/** How far back to look, step by step, until there are enough. */
const LOOK_BACK_MINUTES = [15, 60, 360, 1440, 10_080];

export async function explain(shell: Shell, name: string, options: ExplainOptions): Promise<void> {
  const problems: string[] = [];
  const last = wholeNumber('--last', options.last, [1, 1000], problems) ?? 0;
  const { stack, pool } = await openPool(name, options, problems);
  const spells = (await readSpells(stack, pool.pool, last, shell.now())).slice(-last);
  if (options.json) return shell.printJson(spells.map(({ tick, ...spell }) => ({ ...spell, to: tick.now, ...tick })));
  if (spells.length === 0) {
    throw new CommandError(
      `The scaler's log ${stack.config.scalerLogGroup} has no decision about ${name} in the last 7 days: run elastic-workers doctor to find out why.`,
    );
  }
  shell.print(
    `${hanging(name)}: ${spells.length === 1 ? 'the last decision' : `the last ${spells.length} decisions`}, the newest last`,
  );
  for (const spell of spells) shell.print(`\n${render(shell, spell)}`);
}

async function readSpells(stack: Stack, pool: string, last: number, now: number): Promise<Spell<LoggedTick>[]> {
  const ticks: LoggedTick[] = [];
  let to = now;
  try {
    for (const minutes of LOOK_BACK_MINUTES) {
      const from = now - minutes * 60_000;
      ticks.unshift(...(await readTicks(stack, pool, { from, to: to - 1 })));
      to = from;
      const spells = spellsOf(ticks);
      // One more than asked for, because the start of the first is not known.
      if (spells.length > last) return spells;
    }
  } catch (error) {
    throw new CommandError(
      `Cannot read the scaler's log ${stack.config.scalerLogGroup}: ${reasonOf(error)}. This needs logs:FilterLogEvents on it.`,
      { cause: error },
    );
  }
  return spellsOf(ticks);
}

function render(shell: Shell, { ticks, tick, from, errors }: Spell<LoggedTick>): string {
  const { reason, desired, cordon, detail } = tick;
  const time = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');
  const until = ticks === 1 ? '' : ` to ${time(tick.now).slice(11)}, ${count(ticks, 'tick')}`;
  return [
    `${time(from)}${until}  ${shell.style('bold', reason)}: ${MEANINGS[reason]}`,
    `  desired ${desired}${cordon.length > 0 ? `; leaving: ${hanging(cordon.join(', '))}` : ''}`,
    `  ${hanging(detail)}`,
    ...errors.map((error) => `  ${shell.style('red', hanging(error))}`),
  ].join('\n');
}
