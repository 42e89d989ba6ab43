/** Virtual clock of the simulator. Runs events in order of time, then kind, then creation. */
import type { Clock } from '../../clock.ts';

/** At equal times, timers run first, then planner ticks, then completions. Arrivals come before all three. */
export const eventKind = { timer: 1, tick: 2, completion: 3 } as const;
type EventKind = (typeof eventKind)[keyof typeof eventKind];

interface SimulatedEvent {
  readonly atMs: number;
  /** Sort key at equal times: `kind * 2^50 + order of creation`. */
  readonly rank: number;
  /** null: the event was cancelled. */
  run: (() => void) | null;
}

const kindShift = 2 ** 50;

/** Two events at the same time run in the order of their kinds, whatever the order of their creation. */
export class EventLoop implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #epochMs: number;
  /** A binary heap: no event is earlier than its parent at half its index. Index 0 holds a sentinel. */
  readonly #heap: SimulatedEvent[] = [{ atMs: Number.NEGATIVE_INFINITY, rank: 0, run: null }];

  constructor(epochMs: number) {
    this.#epochMs = epochMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#epochMs + this.#nowMs;
  }

  /** Time of the next event; infinite if there is none. */
  get nextMs(): number {
    const first = this.#heap[1];
    return first === undefined ? Number.POSITIVE_INFINITY : first.atMs;
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.#nowMs + Math.max(delayMs, 0), eventKind.timer, run);
  }

  at(atMs: number, kind: EventKind, run: () => void): () => void {
    const event: SimulatedEvent = { atMs: Math.max(atMs, this.#nowMs), rank: kind * kindShift + this.#order++, run };
    this.#rise(event);
    return () => {
      event.run = null;
    };
  }

  /** Advances the clock to `nowMs`. All earlier events must have run. */
  moveTo(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Runs the next event. */
  step(): void {
    const event = this.#shiftFirst();
    this.#nowMs = event.atMs;
    event.run?.();
  }

  #rise(event: SimulatedEvent): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    for (let parent = heap[i >> 1] as SimulatedEvent; isEarlier(event, parent); parent = heap[i >> 1] as SimulatedEvent) {
      heap[i] = parent;
      i >>= 1;
    }
    heap[i] = event;
  }

  #shiftFirst(): SimulatedEvent {
    const heap = this.#heap;
    const first = heap[1] as SimulatedEvent;
    const last = heap.pop() as SimulatedEvent;
    const { length } = heap;
    if (length === 1) return first;
    let i = 1;
    for (let child = 2; child < length; child = 2 * i) {
      if (child + 1 < length && isEarlier(heap[child + 1] as SimulatedEvent, heap[child] as SimulatedEvent)) child++;
      if (!isEarlier(heap[child] as SimulatedEvent, last)) break;
      heap[i] = heap[child] as SimulatedEvent;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isEarlier(left: SimulatedEvent, right: SimulatedEvent): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.rank < right.rank);
}
