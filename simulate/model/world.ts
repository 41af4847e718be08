/** What the parts of the model share: its clock, its events and its streams of random numbers. */
import { EventQueue } from '../event-queue.ts';
import { seeded, type Random } from '../random.ts';
import { Fleet } from './fleet.ts';
import type { Kind, Settings, Work } from './settings.ts';
import type { ModelTask, Slots } from './task.ts';

export type Event =
  | { at: number; kind: 'ends'; work: number; attempt: number; slots: Slots }
  | { at: number; kind: 'returns'; work: number }
  | { at: number; kind: 'starts' | 'heartbeat' | 'cordonSeen' | 'pollEnds' | 'leaves' | 'graceEnds'; task: ModelTask }
  | { at: number; kind: 'snapshot' | 'tick' | 'sample' | 'deployment' }
  | { at: number; kind: 'dispatch'; of: Kind }
  | { at: number; kind: 'dead'; count: number }
  | { at: number; kind: 'restart'; age: 'fresh' | 'old' };

export interface World {
  /** Seconds. */
  now: number;
  readonly work: readonly Work[];
  readonly settings: Settings;
  readonly events: EventQueue<Event>;
  readonly fleet: Fleet;
  /** Separate streams: the n-th task ordered has the same start-up time under every controller. */
  readonly random: Record<'startUps' | 'spread' | 'noise' | 'polls' | 'keys', Random>;
}

export function newWorld(work: readonly Work[], settings: Settings): World {
  const { seed } = settings;
  return {
    now: 0,
    work,
    settings,
    events: new EventQueue<Event>(),
    fleet: new Fleet(settings),
    random: {
      startUps: seeded(seed),
      spread: seeded(seed + 0x1000_0000),
      noise: seeded(seed + 0x2000_0000),
      polls: seeded(seed + 0x3000_0000),
      keys: seeded(seed + 0x4000_0000),
    },
  };
}
