/** What the parts of a world share: its clock, random numbers, services and counters. */
import type { Random } from '../../simulate/random.ts';
import type { Checks } from './checks.ts';
import type { Ecs } from './ecs.ts';
import type { Faults } from './faults.ts';
import type { PoolTruth } from './pool-truth.ts';
import type { Scenario } from './scenario.ts';
import type { Table } from './table.ts';
import type { VirtualTime } from './time.ts';
import type { WorldOptions } from './world-options.ts';

export interface World {
  readonly options: WorldOptions;
  readonly time: VirtualTime;
  readonly scenario: Scenario;
  readonly faults: Faults;
  readonly pools: Map<string, PoolTruth>;
  readonly ecs: Ecs;
  readonly table: Table;
  readonly checks: Checks;
  readonly counts: { ticks: number; invocations: number; scaleIns: number; taskMs: number; works: number };
  /** The random stream of everything that has no stream of its own. */
  readonly luck: Random;
  /** A separate random stream, by name. */
  readonly random: (name: string) => Random;
  readonly note: (what: string) => void;
}
