/** Workflows run in a sandbox, and again from their history: they import no Node modules, and activities as types only. */
import { proxyActivities } from '@temporalio/workflow';
import type * as activities from './activities.ts';

const { greet } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

export async function greeting(names: string[]): Promise<string[]> {
  return Promise.all(names.map((name) => greet(name)));
}
