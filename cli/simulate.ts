/** The simulator's own command, with its own options and help. */
import { simulateCommand } from '../simulate/simulate.ts';

export async function simulate(args: string[]): Promise<void> {
  // It throws on wrong arguments instead of ending the process.
  await simulateCommand().exitOverride().parseAsync(args, { from: 'user' });
}
