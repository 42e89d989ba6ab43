/**
 * An open-loop load: requests are sent when their time has come, however slow the answers are, and each latency counts
 * from the time at which its request was *to be* sent. A closed loop would wait for the slow ones and so leave out the
 * very requests that suffer (coordinated omission).
 */
import type { Clock } from '../../clock.ts';
import { exponentialMs, type Random } from '../../random.ts';
import { againMs, HttpConnection, requestIdIn } from './http-connection.ts';

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
  /** The same answers, from their sending. */
  readonly serviceMs: readonly number[];
  /** The slowest of them; null where there are none, or it bears no id. */
  readonly slowest: SlowestAnswer | null;
  readonly sending: Sending;
  /** By status, `broken` where the connection ended, `not_sent` and `unanswered` where the time to wait was over. */
  readonly failures: ReadonlyMap<string, number>;
  readonly elapsedMs: number;
  readonly interrupted: boolean;
}

export interface SlowestAnswer {
  /** Its `x-request-id`. */
  readonly request: string;
  /** From its sending. */
  readonly serviceMs: number;
}

/** Keeps the head of one answer alone, and reads it at the end: a load does this for each. */
export class Slowest {
  #serviceMs = -1;
  #head = '';

  add(serviceMs: number, head: string): void {
    if (serviceMs <= this.#serviceMs) return;
    this.#serviceMs = serviceMs;
    this.#head = head;
  }

  get answer(): SlowestAnswer | null {
    const request = requestIdIn(this.#head);
    return request === null ? null : { request, serviceMs: this.#serviceMs };
  }
}

/** What the generator itself took: its limits are not to be blamed on the server. */
export interface Sending {
  /** From the intended time until the sending, of each request that was sent. */
  readonly waitsMs: readonly number[];
  /** How much of all waits was the generator's own lateness; the rest was for a free connection. */
  readonly lateMs: number;
  /** From the start. */
  readonly lastSentMs: number;
}

/** How long a load waits after its duration, so that it ends however slow the server is. */
export interface Bounds {
  /** What was not sent by then has failed as `not_sent`. */
  readonly sendUntilMs: number;
  /** And what was not answered by then, as `unanswered`. */
  readonly answerUntilMs: number;
}

/** A few seconds to catch up, then as long as a slow model may take for one answer. */
export const boundsOf = (forMs: number): Bounds => ({ sendUntilMs: forMs + 5_000, answerUntilMs: forMs + 35_000 });

export interface LoadTarget {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly isTls?: boolean;
  /** Told of each answer that tells of something else than success; of a connection that broke, nothing is told but that. */
  readonly onFailure?: (why: string, body: Buffer) => void;
  /** None: it waits for all. */
  readonly bounds?: Bounds;
  /** Ends the load at once: what is under way is left out, what waits to be sent has failed as `not_sent`. */
  readonly interrupted?: AbortSignal;
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
  /** Those that wait for an answer: closed when the load ends without it. */
  readonly #busy = new Set<HttpConnection>();
  readonly #latenciesMs: number[] = [];
  readonly #serviceMs: number[] = [];
  readonly #slowest = new Slowest();
  readonly #waitsMs: number[] = [];
  #lateMs = 0;
  #lastSentMs = 0;
  #isOver = false;
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
      this.#finish = () => {
        this.#isOver = true;
        resolve();
      };
    });
    const { clock, connections, interrupted } = this.#options;
    this.#idle.push(...(await Promise.all(Array.from({ length: connections }, () => this.#connect()))));
    this.#startMs = clock.nowMs();
    if (this.#open === 0) this.#finish();
    const unbind = this.#bind();
    this.#sendDue();
    await finished;
    unbind();
    const elapsedMs = clock.nowMs() - this.#startMs;
    for (const connection of [...this.#idle, ...this.#busy]) connection.close();
    return {
      latenciesMs: this.#latenciesMs,
      serviceMs: this.#serviceMs,
      slowest: this.#slowest.answer,
      sending: { waitsMs: this.#waitsMs, lateMs: this.#lateMs, lastSentMs: this.#lastSentMs },
      failures: this.#failures,
      elapsedMs,
      interrupted: interrupted?.aborted === true,
    };
  }

  /** Ends the load at its bounds, or when it is interrupted; the answer takes that back. */
  #bind(): () => void {
    const { bounds, clock, interrupted } = this.#options;
    const stop = (): void => {
      if (this.#isOver) return;
      this.#noticeDue();
      this.#giveUpSending();
      this.#finish();
    };
    interrupted?.addEventListener('abort', stop, { once: true });
    if (interrupted?.aborted === true) stop();
    const cancels =
      bounds === undefined
        ? []
        : [clock.after(bounds.sendUntilMs, () => this.#giveUpSending()), clock.after(bounds.answerUntilMs, () => this.#giveUpWaiting())];
    return () => {
      interrupted?.removeEventListener('abort', stop);
      for (const cancel of cancels) cancel();
    };
  }

  #giveUpSending(): void {
    const count = this.#next - this.#unsent;
    this.#unsent = this.#next;
    for (let i = 0; i < count; i++) this.#failed('not_sent');
  }

  #giveUpWaiting(): void {
    for (let left = this.#open; left > 0; left--) this.#failed('unanswered');
  }

  #noticeDue(): void {
    const { arrivalsMs, clock } = this.#options;
    const elapsedMs = clock.nowMs() - this.#startMs;
    for (; this.#next < arrivalsMs.length && (arrivalsMs[this.#next] as number) <= elapsedMs; this.#next++) {
      this.#lateMs += elapsedMs - (arrivalsMs[this.#next] as number);
    }
  }

  #sendDue(): void {
    if (this.#isOver) return;
    const { arrivalsMs, clock } = this.#options;
    this.#noticeDue();
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
    const sentMs = clock.nowMs() - this.#startMs;
    this.#lastSentMs = sentMs;
    this.#waitsMs.push(sentMs - (arrivalsMs[i] as number));
    this.#busy.add(connection);
    try {
      const { status, head, body } = await connection.send(requestOf(i));
      this.#busy.delete(connection);
      if (this.#isOver) return connection.close();
      this.#idle.push(connection);
      if (status < 200 || status > 299) return this.#failed(String(status), body);
      const answeredMs = clock.nowMs() - this.#startMs;
      this.#latenciesMs.push(answeredMs - (arrivalsMs[i] as number));
      this.#serviceMs.push(answeredMs - sentMs);
      this.#slowest.add(answeredMs - sentMs, head);
      onAnswer?.(i, body);
      this.#answered();
    } catch {
      this.#busy.delete(connection);
      if (this.#isOver) return;
      this.#failed('broken');
      void this.#replace();
    }
  }

  /** A connection broke: the load goes on with another, as clients do; where none is to be had, it is tried again in a while. */
  async #replace(): Promise<void> {
    try {
      const connection = await this.#connect();
      if (this.#isOver) return connection.close();
      this.#idle.push(connection);
      this.#serveDue();
    } catch {
      this.#lost++;
      this.#failDue();
      if (!this.#isOver) this.#options.clock.after(againMs, () => this.#tryAgain());
    }
  }

  #tryAgain(): void {
    if (this.#isOver) return;
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
