/** Warns that memory runs short while it still can: a process that the kernel kills cannot log anything. */
interface MemoryWatchOptions {
  /** The part of its memory that the process or its whole container uses. */
  read: () => number;
  /** Called once when memory is short, and again only after it has recovered. */
  onShort: (part: number) => void;
}

const LOOK_EVERY_MS = 2000;
const SHORT = 0.9;
const CALM = 0.8;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #isShort = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const part = this.#options.read();
    if (part < CALM) this.#isShort = false;
    if (part < SHORT || this.#isShort) return;
    this.#isShort = true;
    this.#options.onShort(part);
  }
}
