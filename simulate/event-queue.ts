/** Future events, soonest first, and in the order of adding at the same time. A binary heap. */

interface Timed {
  at: number;
}

export class EventQueue<Event extends Timed> {
  readonly #heap: { event: Event; order: number }[] = [];
  #added = 0;

  add(event: Event): void {
    const heap = this.#heap;
    const entry = { event, order: this.#added++ };
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  get nextAt(): number {
    return this.#heap[0]?.event.at ?? Infinity;
  }

  take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first?.event;
  }

  #sink(entry: { event: Event; order: number }): void {
    const heap = this.#heap;
    const size = heap.length;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, entry)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = entry;
  }
}

function before(a: { event: Timed; order: number }, b: { event: Timed; order: number }): boolean {
  return a.event.at < b.event.at || (a.event.at === b.event.at && a.order < b.order);
}
