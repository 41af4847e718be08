/** What workflows have done for them. An activity may do anything; Temporal retries it when it fails. */
import { setTimeout } from 'node:timers/promises';

export async function greet(name: string): Promise<string> {
  // In place of a call to a model, or to another service.
  await setTimeout(2000);
  return `Hello, ${name}!`;
}
