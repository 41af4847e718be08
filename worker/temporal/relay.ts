/**
 * The SDK connects to this relay instead of the server. It runs in a thread of this process (relay-thread.ts), forwards all calls
 * and gives activity polls a shorter deadline than the SDK does. Only its deadline can end a poll without losing work, because the
 * server then ends it in time, and a cordoned worker has to wait for open polls.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Worker as Thread } from 'node:worker_threads';
import type { TemporalAccess } from '../../contract/temporal-access.ts';
import type { PulseData } from '../processes/pulse.ts';

/** The thread's input. */
export interface RelayData {
  address: string;
  tls: TemporalAccess['tls'];
  /** If it contains a number above 0, that many slots are reported in heartbeats: see heartbeat-slots.ts. */
  reportedSlots: Int32Array;
  /** The main thread's pulse: the relay's thread keeps running when the main thread is blocked, so it watches the main thread. */
  pulse?: PulseData | undefined;
  /** Calls without it are refused: the port is open to all processes on this machine, and leads to our credentials. */
  secret: string;
}

/** Memory that both threads share. */
export type SharedWithRelay = Partial<Pick<RelayData, 'reportedSlots' | 'pulse'>>;

/** The thread's only message: its port, or why it cannot connect to the server. */
export type RelayStarted = { port: number } | { why: string };

export const RELAY_SECRET_HEADER = 'elastic-workers-relay';

export interface Relay {
  address: string;
  metadata: Record<string, string>;
  /** It ends when no call is open and the client is gone. */
  stop(): void;
}

/** A number that the relay's thread sees as soon as it is set. */
export function sharedNumber(value = 0): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4)).fill(value);
}

/** Rejects if the server cannot be reached. */
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

/** The built file beside the running one, or the source beside this one. */
function entry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './relay-thread.ts' : './relay-thread.js', import.meta.url);
}
