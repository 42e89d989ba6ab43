/**
 * An open-loop load: requests are sent when their time has come, however slow the answers are, and each latency counts
 * from the time at which its request was *to be* sent. A closed loop would wait for the slow ones and so leave out the
 * very requests that suffer (coordinated omission).
 */
import type { Clock } from '../../clock.ts';
import { exponentialMs, type Random } from '../../random.ts';
import { againMs, HttpConnection } from './http-connection.ts';

/** A rate that holds for a while. */
export interface Phase {
  readonly ratePerSecond: number;
  readonly forMs: number;
}

/** Poisson arrivals over the phases, as milliseconds from the start. */
export function poissonArrivals(phases: readonly Phase[], random: Random): number[] {
  const arrivals: number[] = [];
  let phaseFromMs = 0;
  for (const { ratePerSecond, forMs } of phases) {
    for (
      let atMs = phaseFromMs + exponentialMs(random, ratePerSecond);
      atMs < phaseFromMs + forMs;
      atMs += exponentialMs(random, ratePerSecond)
    ) {
      arrivals.push(atMs);
    }
    phaseFromMs += forMs;
  }
  return arrivals;
}

export interface LoadResult {
  /** From the intended time of sending to the answer, in milliseconds; only of answers that tell of success (2xx). */
  readonly latenciesMs: readonly number[];
  /** By status, or `broken` where the connection ended. */
  readonly failures: ReadonlyMap<string, number>;
  readonly elapsedMs: number;
}

export interface LoadTarget {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly isTls?: boolean;
  /** Told of each answer that tells of something else than success; of a connection that broke, nothing is told but that. */
  readonly onFailure?: (why: string, body: Buffer) => void;
}

export interface OpenLoopOptions extends LoadTarget {
  /** Milliseconds from the start, ascending. All at 0 is a burst. */
  readonly arrivalsMs: readonly number[];
  /** The request of the i-th arrival. */
  readonly requestOf: (i: number) => Buffer;
  /** Told of each answer that tells of success. */
  readonly onAnswer?: (i: number, body: Buffer) => void;
  /** Opened before the load starts; when all are busy, who is due waits, and the wait counts. */
  readonly connections: number;
}

/** Runs the load to its end. */
export function runOpenLoop(options: OpenLoopOptions): Promise<LoadResult> {
  return new OpenLoop(options).run();
}

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #idle: HttpConnection[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #failures = new Map<string, number>();
  /** Connections that could not be replaced yet. */
  #lost = 0;
  /** Those before it are due, */
  #next = 0;
  /** and those from here on have not been sent. */
  #unsent = 0;
  #open: number;
  #startMs = 0;
  #finish: () => void = () => {};

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#open = options.arrivalsMs.length;
  }

  async run(): Promise<LoadResult> {
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    const { clock, connections } = this.#options;
    this.#idle.push(...(await Promise.all(Array.from({ length: connections }, () => this.#connect()))));
    this.#startMs = clock.nowMs();
    if (this.#open === 0) this.#finish();
    this.#sendDue();
    await finished;
    const elapsedMs = clock.nowMs() - this.#startMs;
    for (const connection of this.#idle) connection.close();
    return { latenciesMs: this.#latenciesMs, failures: this.#failures, elapsedMs };
  }

  #sendDue(): void {
    const { arrivalsMs, clock } = this.#options;
    const elapsedMs = clock.nowMs() - this.#startMs;
    while (this.#next < arrivalsMs.length && (arrivalsMs[this.#next] as number) <= elapsedMs) this.#next++;
    this.#serveDue();
    this.#failDue();
    const nextMs = arrivalsMs[this.#next];
    // Timers fire up to a millisecond late; that counts as latency, so it is set one early and the rest is spun by setImmediate.
    if (nextMs === undefined) return;
    const leftMs = nextMs - (clock.nowMs() - this.#startMs);
    if (leftMs > 1.5) clock.after(leftMs - 1, () => this.#sendDue());
    else setImmediate(() => this.#sendDue());
  }

  #serveDue(): void {
    while (this.#unsent < this.#next) {
      const connection = this.#idle.pop();
      if (connection === undefined) return;
      if (!connection.isOpen) {
        // Closed by the server while nobody used it, which is no failure: clients open another.
        void this.#replace();
        continue;
      }
      void this.#send(connection, this.#unsent++);
    }
  }

  async #send(connection: HttpConnection, i: number): Promise<void> {
    const { arrivalsMs, clock, onAnswer, requestOf } = this.#options;
    try {
      const { status, body } = await connection.send(requestOf(i));
      this.#idle.push(connection);
      if (status < 200 || status > 299) return this.#failed(String(status), body);
      this.#latenciesMs.push(clock.nowMs() - this.#startMs - (arrivalsMs[i] as number));
      onAnswer?.(i, body);
      this.#answered();
    } catch {
      this.#failed('broken');
      void this.#replace();
    }
  }

  /** A connection broke: the load goes on with another, as clients do; where none is to be had, it is tried again in a while. */
  async #replace(): Promise<void> {
    try {
      const connection = await this.#connect();
      if (this.#open === 0) return connection.close();
      this.#idle.push(connection);
      this.#serveDue();
    } catch {
      this.#lost++;
      this.#failDue();
      if (this.#open > 0) this.#options.clock.after(againMs, () => this.#tryAgain());
    }
  }

  #tryAgain(): void {
    if (this.#open === 0) return;
    this.#lost--;
    void this.#replace();
  }

  /** Where no connection is left, nobody is to be waited for. */
  #failDue(): void {
    if (this.#lost < this.#options.connections) return;
    for (; this.#unsent < this.#next; this.#unsent++) this.#failed('broken');
  }

  #connect(): Promise<HttpConnection> {
    const { host, port, isTls } = this.#options;
    return HttpConnection.open(host, port, isTls);
  }

  #failed(why: string, body: Buffer = Buffer.alloc(0)): void {
    this.#failures.set(why, (this.#failures.get(why) ?? 0) + 1);
    this.#options.onFailure?.(why, body);
    this.#answered();
  }

  #answered(): void {
    this.#open--;
    if (this.#open === 0) this.#finish();
    else this.#serveDue();
  }
}
