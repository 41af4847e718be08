import { condition, defineQuery, setHandler } from '@temporalio/workflow';

/** Stays open. */
export async function parked(): Promise<void> {
  setHandler(defineQuery<boolean>('isThere'), () => true);
  await condition(() => false);
}
