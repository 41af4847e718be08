/** Invokes the scaler as it is built, as its schedule does: each minute, whether or not the last invocation is over. */
import { createRequire } from 'node:module';
import { LONGEST_INVOCATION_SECONDS } from '../../contract/invocation.ts';

const INVOKED_EVERY_MS = 60_000;
const INVOCATION_MS = LONGEST_INVOCATION_SECONDS * 1000;

interface Scaler {
  handler(event: unknown, context: { getRemainingTimeInMillis(): number }): Promise<unknown>;
}

const { handler } = createRequire(import.meta.url)(process.argv[2]!) as Scaler;

async function invoke(): Promise<void> {
  const end = Date.now() + INVOCATION_MS;
  try {
    await handler({}, { getRemainingTimeInMillis: () => end - Date.now() });
  } catch (error) {
    console.error(`invocation failed: ${String(error)}`);
  }
}

setInterval(() => void invoke(), INVOKED_EVERY_MS);
void invoke();
