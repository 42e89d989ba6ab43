/** Executors that run a batch in virtual time: a batch takes the time of the profile and computes nothing. */
import type { BatchRunResult, PendingRequest, RunRequests } from '../../serving/index.ts';
import { type EventLoop, eventKind } from './event-loop.ts';

const timings = { inMs: 0, runMs: 0, outMs: 0 };
const noOutputs: readonly (readonly [])[] = Array.from({ length: 4096 }, () => [] as const);
const done: BatchRunResult = { kind: 'done', outputs: noOutputs, timings };

interface Run {
  readonly done: (answer: BatchRunResult) => void;
  readonly cancel: () => void;
}

/** Runs one batch at a time, like a worker process. */
export class SimulatedExecutor {
  /** Time since which the executor has been idle; null while it is busy. */
  idleSinceMs: number | null;
  readonly #loop: EventLoop;
  /** Duration of one batch in milliseconds, including network transfer in both directions. */
  readonly #durationMs: (rows: number) => number;
  #freeAtMs = 0;
  readonly #runs: Run[] = [];

  constructor(loop: EventLoop, takesMs: (rows: number) => number) {
    this.#loop = loop;
    this.#durationMs = takesMs;
    this.idleSinceMs = loop.nowMs();
  }

  readonly run: RunRequests = (requests, answer) => {
    const startMs = Math.max(this.#freeAtMs, this.#loop.nowMs());
    this.#freeAtMs = startMs + this.#durationMs(rowsOf(requests));
    this.idleSinceMs = null;
    const cancel = this.#loop.at(this.#freeAtMs, eventKind.completion, () => {
      this.#runs.shift();
      if (this.#runs.length === 0) this.idleSinceMs = this.#freeAtMs;
      answer(done);
    });
    this.#runs.push({ done: answer, cancel });
  };

  /** Ends the executor; its running batch is lost. */
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
