/** Builds run one at a time: they use the cores of the serving machine. */
import { PlatformError } from '../errors.ts';

const waitingMax = 100;

interface QueuedBuild {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** In order of their requests. The number of waiting builds is bounded. */
export class BuildQueue {
  readonly #builds = new Map<string, QueuedBuild>();
  #last: Promise<void> = Promise.resolve();

  /** Throws `overloaded` if too many builds wait. */
  checkRoom(): void {
    if (this.#builds.size < waitingMax) return;
    throw new PlatformError('overloaded', `${this.#builds.size} environments are being built or wait: try again later`, {
      retryAfterMs: 60_000,
    });
  }

  /** Adds a build, after those of the same id that still run. `run` must not throw. */
  add(id: string, run: (signal: AbortSignal) => Promise<void>): void {
    const controller = new AbortController();
    const done = this.#last
      .then(() => run(controller.signal))
      .finally(() => {
        if (this.#builds.get(id) === build) this.#builds.delete(id);
      });
    const build: QueuedBuild = { controller, done };
    this.#last = done;
    this.#builds.set(id, build);
  }

  has(id: string): boolean {
    return this.#builds.has(id);
  }

  /** Resolves when the build has ended, or at once if there is none. Throws the reason of `signal` if that is aborted first. */
  async wait(id: string, signal?: AbortSignal): Promise<void> {
    const build = this.#builds.get(id);
    signal?.throwIfAborted();
    if (build === undefined) return;
    if (signal === undefined) return build.done;
    let stop: () => void = () => undefined;
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason instanceof Error ? signal.reason : new PlatformError('wrong_state', 'stopped'));
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      await Promise.race([build.done, aborted]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Stops a build. It ends soon after, and those that wait continue. */
  stop(id: string, reason: Error): void {
    this.#builds.get(id)?.controller.abort(reason);
  }

  /** Stops all builds. */
  async close(reason: Error): Promise<void> {
    for (const { controller } of this.#builds.values()) controller.abort(reason);
    await this.#last;
  }
}
