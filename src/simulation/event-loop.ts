/** Virtual time for the simulator: what happens next, in order of time, then of kind, then of setting. */
import type { Clock } from '../clock.ts';

/** At equal times timers come before ticks of planners, and these before completions; arrivals come before all of them. */
export const eventKind = { timer: 1, tick: 2, completion: 3 } as const;
type EventKind = (typeof eventKind)[keyof typeof eventKind];

interface SimulatedEvent {
  readonly atMs: number;
  /** The kind, and within it the order of setting: `kind * 2^50 + order`. */
  readonly rank: number;
  /** null: it was cancelled. */
  run: (() => void) | null;
}

const kindShift = 2 ** 50;

export class EventLoop implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #epochMs: number;
  /** A binary heap: none is earlier than the one at half its index. Index 0 is not used. */
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

  /** When something happens next; infinite where nothing will. */
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

  /** It is this late now; nothing that was to happen before is left. */
  moveTo(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Runs the next event. */
  step(): void {
    const event = this.#takeFirst();
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

  #takeFirst(): SimulatedEvent {
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
