/** The simulator's own command, with its own options and help. */
import { simulateCommand } from '../simulate/simulate.ts';

export async function simulate(args: string[]): Promise<void> {
  // It throws, instead of ending the process, when its arguments are wrong.
  await simulateCommand().exitOverride().parseAsync(args, { from: 'user' });
}
