/** Clients that call without a pause, for tests of what may happen under them. */
import { messageOf } from '../../src/errors.ts';
import { until } from './poll.ts';

export class Load {
  answered = 0;
  readonly failures: string[] = [];
  #isOver = false;
  #clients: Promise<unknown> = Promise.resolve();

  /** `call` makes one request and throws where it fails; from the first failure on a client rests. */
  static start(clients: number, call: (count: number) => Promise<void>): Load {
    const load = new Load();
    load.#clients = Promise.all(Array.from({ length: clients }, () => load.#client(call)));
    return load;
  }

  /** Resolves when so many more have been answered since now, or somebody has failed. */
  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    await until(`${count} more requests are answered`, () => this.answered >= enough || this.failures.length > 0);
  }

  /** Resolves when the last answer has come. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#clients;
  }

  async #client(call: (count: number) => Promise<void>): Promise<void> {
    for (let count = 0; !this.#isOver; count++) {
      try {
        await call(count);
        this.answered++;
      } catch (error) {
        this.failures.push(messageOf(error));
        return;
      }
    }
  }
}
