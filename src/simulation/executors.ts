/** What runs a simulated batch: it takes as long as the profile says, and nothing is computed. */
import type { PendingRequest, RunAnswer, RunRequests } from '../serving/index.ts';
import { type EventLoop, eventKind } from './event-loop.ts';

const timings = { inMs: 0, runMs: 0, outMs: 0 };
const noOutputs: readonly (readonly [])[] = Array.from({ length: 4096 }, () => [] as const);
const done: RunAnswer = { kind: 'done', outputs: noOutputs, timings };

interface Run {
  readonly done: (answer: RunAnswer) => void;
  readonly cancel: () => void;
}

/** Runs one batch after the other, as a worker does. */
export class SimulatedExecutor {
  /** Since when it has nothing to do; null while it has. */
  idleSinceMs: number | null;
  readonly #loop: EventLoop;
  /** How long this batch takes, its way there and back included. */
  readonly #takesMs: (rows: number) => number;
  #freeAtMs = 0;
  readonly #runs: Run[] = [];

  constructor(loop: EventLoop, takesMs: (rows: number) => number) {
    this.#loop = loop;
    this.#takesMs = takesMs;
    this.idleSinceMs = loop.nowMs();
  }

  readonly run: RunRequests = (requests, answer) => {
    const startMs = Math.max(this.#freeAtMs, this.#loop.nowMs());
    this.#freeAtMs = startMs + this.#takesMs(rowsOf(requests));
    this.idleSinceMs = null;
    const cancel = this.#loop.at(this.#freeAtMs, eventKind.completion, () => {
      this.#runs.shift();
      if (this.#runs.length === 0) this.idleSinceMs = this.#freeAtMs;
      answer(done);
    });
    this.#runs.push({ done: answer, cancel });
  };

  /** Its process is gone, and what it ran with it. */
  kill(why: string): void {
    for (const run of this.#runs.splice(0)) {
      run.cancel();
      run.done({ kind: 'gone', why });
    }
  }
}

function rowsOf(requests: readonly PendingRequest[]): number {
  let rows = 0;
  for (const request of requests) rows += request.rows;
  return rows;
}
