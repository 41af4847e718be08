/** What a tick needs of the world outside, and what it carries from one to the next. */
import type { SetDesired } from './act/service-count.ts';
import type { PoolState, StateTable } from './act/state.ts';
import type { EcsServices } from './read/ecs.ts';
import type { TemporalReader } from './read/temporal.ts';
import type { Telemetry } from './report/telemetry.ts';

export interface Ports {
  temporal: Pick<TemporalReader, 'readEach'>;
  ecs: Pick<EcsServices, 'read'>;
  setDesired: SetDesired;
  state: Pick<StateTable, 'load' | 'save' | 'markTick' | 'cordoned' | 'cordon' | 'takeBack'>;
  telemetry: Pick<Telemetry, 'report'>;
}

/** `observe` decides and reports, but changes nothing in ECS and cordons no task. */
type Mode = 'act' | 'observe';

export interface TickOptions {
  mode: Mode;
  /** Epoch milliseconds. */
  now: number;
  /** Writes the pools' memory even if nothing changed. */
  keeps: boolean;
}

/** The state that an invocation carries from tick to tick: the pools' states as last read or written. */
export type Session = Map<string, PoolState>;
