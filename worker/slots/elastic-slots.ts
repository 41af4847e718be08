/**
 * Slots that follow the process's load: it is measured once a second, and slots-limit.ts computes the number of slots. The relay
 * gets the number, so that heartbeats contain it (heartbeat-slots.ts).
 */
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { ActivitySlots } from './activity-slots.ts';
import { memoryOfProcess } from './container-memory.ts';
import type { SlotRange } from '../../contract/slots.ts';
import { firstSlots, nextSlots, type SlotsSeen, type SlotsState } from './slots-limit.ts';

/** One process's share of the task. */
export interface ProcessShare {
  vcpus: number;
  gibibytes: number;
}

/** In the form passed to a pool's process: `0.5,1`. */
export function formatShare({ vcpus, gibibytes }: ProcessShare): string {
  return `${vcpus},${gibibytes}`;
}

export function parseShare(text: string): ProcessShare {
  const [vcpus = NaN, gibibytes = NaN] = text.split(',').map(Number);
  return { vcpus, gibibytes };
}

interface ElasticSlotsOptions {
  slots: Pick<ActivitySlots, 'used' | 'resize'>;
  range: SlotRange;
  share: ProcessShare;
  /** Called with the limit each time it changes. */
  onLimit: (limit: number) => void;
}

const SAMPLE_MS = 100;
const DECIDE_MS = 1000;
const DELAY_RESOLUTION_MS = 20;

export class ElasticSlots {
  readonly #options: ElasticSlotsOptions;
  readonly #meter: LoadMeter;
  #state: SlotsState;
  #timer: NodeJS.Timeout | undefined;
  #samples: number[] = [];
  #decidedAt = performance.now();

  constructor(options: ElasticSlotsOptions) {
    this.#options = options;
    this.#meter = new LoadMeter(options.share);
    this.#state = firstSlots(options.range, this.#meter.read().memory);
    this.#apply();
  }

  start(): void {
    this.#meter.start();
    this.#timer ??= setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#meter.stop();
  }

  #sample(): void {
    this.#samples.push(this.#options.slots.used);
    if (performance.now() - this.#decidedAt < DECIDE_MS) return;
    this.#decidedAt = performance.now();
    const used = this.#samples.reduce((sum, each) => sum + each, 0) / this.#samples.length;
    this.#samples = [];
    const { limit } = this.#state;
    this.#state = nextSlots(this.#state, { used, ...this.#meter.read() }, this.#options.range);
    if (this.#state.limit !== limit) this.#apply();
  }

  #apply(): void {
    this.#options.slots.resize(this.#state.limit);
    this.#options.onLimit(this.#state.limit);
  }
}

/** How much of its share the process has used since the last reading. */
class LoadMeter {
  readonly #share: ProcessShare;
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  #cpu = process.cpuUsage();
  #at = performance.now();
  #loop: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(share: ProcessShare) {
    this.#share = share;
  }

  start(): void {
    this.#delay.enable();
  }

  stop(): void {
    this.#delay.disable();
  }

  read(): Omit<SlotsSeen, 'used'> {
    const seconds = (performance.now() - this.#at) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, this.#loop);
    // An empty histogram's mean is NaN: the loop turned too rarely to be measured.
    const delayMs = this.#delay.count === 0 ? 1000 * seconds : this.#delay.mean / 1e6 - DELAY_RESOLUTION_MS;
    this.#delay.reset();
    this.#cpu = process.cpuUsage();
    this.#at = performance.now();
    this.#loop = loop;
    return {
      // JavaScript has one thread: if it is busy, further CPUs do not help.
      cpu: Math.max((user + system) / 1e6 / seconds / this.#share.vcpus, utilization),
      memory: memoryOfProcess(this.#share.gibibytes),
      delayMs: Math.max(0, delayMs),
    };
  }
}
