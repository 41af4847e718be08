/** The simulator's own command, which reads the process's arguments and has its own help. */
export async function simulate(args: string[]): Promise<void> {
  process.argv = [process.argv[0] ?? '', 'simulate', ...args];
  // It ends the process by itself, with 1, only when its arguments are wrong; a failure is thrown.
  const asUsage = (code: number) => {
    if (code === 1) process.exitCode = 2;
  };
  process.once('exit', asUsage);
  try {
    await import('../simulate/simulate.ts');
  } finally {
    process.off('exit', asUsage);
  }
}
