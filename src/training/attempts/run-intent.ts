/** Why a run of a job is to end before its task does by itself. */
import type { Clock } from '../../clock.ts';
import { type TrainingStep, trainingSteps } from '../status.ts';

/** `stop`: the job ends with its results. `interrupt`: another attempt follows. `halt`: the server stops. */
export type Intent = 'stop' | 'interrupt' | 'halt';

export class RunIntent {
  readonly #abort = new AbortController();
  readonly #halted = new AbortController();
  #current: Intent | null = null;
  /** The step of a job that is interrupted, with the reason. */
  interruption: TrainingStep = trainingSteps.interrupted;

  get current(): Intent | null {
    return this.#current;
  }

  get isHalted(): boolean {
    return this.#current === 'halt';
  }

  /** Aborts at the first request. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborts when the server stops. */
  get halted(): AbortSignal {
    return this.#halted.signal;
  }

  /** False: it is to end already. A halt outranks the others. */
  request(intent: Intent): boolean {
    if (this.#current !== null && intent !== 'halt') return false;
    this.#current = intent;
    if (intent === 'halt') this.#halted.abort(new Error(intent));
    this.#abort.abort(new Error(intent));
    return true;
  }

  /** An earlier server has stopped the job: what it has begun is finished. */
  resumeStop(): void {
    this.#current ??= 'stop';
  }

  /** A halt ends the pause; after a stop of the job, its upload continues. */
  async pause(clock: Clock, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(ms, resolve);
    const wake = (): void => {
      if (this.isHalted) resolve();
    };
    this.signal.addEventListener('abort', wake, { once: true });
    await promise;
    this.signal.removeEventListener('abort', wake);
    cancel();
  }
}
