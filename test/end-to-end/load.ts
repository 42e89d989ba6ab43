/** Clients that call again and again, for tests under load. */
import { messageOf } from '../../src/errors.ts';
import { until } from './poll.ts';

/** What the clients leave of the processor, the server has for the change that a test waits for. */
const usualPauseMs = 40;

export class Load {
  answered = 0;
  readonly failures: string[] = [];
  #isOver = false;
  #clients: Promise<unknown> = Promise.resolve();
  readonly #pauseMs: number;

  private constructor(pauseMs: number) {
    this.#pauseMs = pauseMs;
  }

  /** `call` sends one request and throws if it fails. A client stops at its first failure, and pauses after each response. */
  static start(clients: number, call: (count: number) => Promise<void>, pauseMs: number = usualPauseMs): Load {
    const load = new Load(pauseMs);
    load.#clients = Promise.all(Array.from({ length: clients }, () => load.#client(call)));
    return load;
  }

  /** Resolves when `count` more requests were answered, or a client has failed. */
  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    await until(`${count} more requests are answered`, () => this.answered >= enough || this.failures.length > 0);
  }

  /** Resolves when the last response has arrived. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }

  async #client(call: (count: number) => Promise<void>): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      try {
        await call(count);
        this.answered++;
        await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
      } catch (error) {
        this.failures.push(messageOf(error));
        return;
      }
    }
  }
}
