/**
 * Fails a test that sent AWS a request which its service models do not allow. The emulator refuses such a request, but a sender
 * may take that for an outage and carry on; so the emulator also writes it to a file, which is checked after each test.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const file = join(tmpdir(), `elastic-workers-refused-${randomUUID()}`);
process.env.REFUSED_REQUESTS_FILE = file;

/** The requests refused since the last call. */
export function takeRefusedRequests(): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  rmSync(file);
  return lines;
}

/** Checks a request that an endpoint of the test has answered. `target`: `service.Operation`. */
export async function checkRequest(emulatorUrl: string, target: string, body: object): Promise<void> {
  const url = `${emulatorUrl}/_elastic-workers/check`;
  await fetch(url, { method: 'POST', headers: { 'x-amz-target': target }, body: JSON.stringify(body) });
}

afterEach(() => {
  const refused = takeRefusedRequests();
  if (refused.length > 0) throw new Error(`AWS would refuse what this test sent:\n- ${refused.join('\n- ')}`);
});
