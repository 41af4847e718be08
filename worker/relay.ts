/**
 * What the SDK connects to instead of the server: a relay in a thread of this process (relay-thread.ts), which passes all
 * calls on and gives polls for activities a shorter deadline than the SDK does. A poll can only be ended without losing work
 * by its deadline, as the server then ends it in time, and a cordoned worker has to wait for those that are open.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Worker as Thread } from 'node:worker_threads';
import type { TemporalAccess } from '../contract/temporal-access.ts';
import type { PulseData } from './pulse.ts';

/** What the thread is started with. */
export interface RelayData {
  address: string;
  tls: TemporalAccess['tls'];
  /** Where it holds a number above 0, that many slots are reported in heartbeats: see heartbeat-slots.ts. */
  reportedSlots: Int32Array;
  /** Of the main thread: as the relay's thread goes on when that one stands still, it is the one to watch it. */
  pulse?: PulseData | undefined;
  /** Calls without it are refused: the port is open to all processes of this machine, and behind it are our credentials. */
  secret: string;
}

/** What the thread and this one both see. */
export type SharedWithRelay = Partial<Pick<RelayData, 'reportedSlots' | 'pulse'>>;

/** What the thread says once: where it listens, or why it has no connection to the server. */
export type RelayStarted = { port: number } | { why: string };

export const RELAY_SECRET_HEADER = 'elastic-workers-relay';

export interface Relay {
  address: string;
  metadata: Record<string, string>;
  /** It ends when no call is open and the client has gone. */
  stop(): void;
}

/** One number that the relay's thread sees as soon as it is set. */
export function sharedNumber(value = 0): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4)).fill(value);
}

/** Rejects when the server cannot be reached. */
export async function startRelay(
  { address, tls }: Pick<TemporalAccess, 'address' | 'tls'>,
  { reportedSlots = sharedNumber(), pulse }: SharedWithRelay = {},
): Promise<Relay> {
  const secret = randomUUID();
  const workerData: RelayData = { address, tls, reportedSlots, pulse, secret };
  const thread = new Thread(entry(), { name: 'relay', workerData });
  const [started] = (await once(thread, 'message')) as [RelayStarted];
  thread.unref();
  if ('why' in started) throw new Error(started.why);
  return {
    address: `127.0.0.1:${started.port}`,
    metadata: { [RELAY_SECRET_HEADER]: secret },
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
    stop: () => thread.postMessage('stop'),
  };
}

/** Built beside the running file, or the source beside this one. */
function entry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './relay-thread.ts' : './relay-thread.js', import.meta.url);
}
