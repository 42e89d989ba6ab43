/**
 * An open-loop load: requests are sent on schedule, however slow the responses are, and latency is measured from the scheduled
 * send time. A closed loop would wait for slow responses and so omit the very requests that suffer (coordinated omission).
 */
import type { Clock } from '../../clock.ts';
import { exponentialMs, type Random } from '../../random.ts';
import { HttpConnection, reconnectMs, requestIdIn } from './http-connection.ts';

/** A constant rate for a duration. */
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

/** What the load measured, before objectives are considered. */
export interface LoadResult {
  /** From the scheduled send time to the response, in milliseconds; successful responses (2xx) only. */
  readonly latenciesMs: readonly number[];
  /** The same responses, from their actual sending. */
  readonly serviceMs: readonly number[];
  /** The slowest response; null if there are none or it has no id. */
  readonly slowest: SlowestResponse | null;
  readonly sending: Sending;
  /** Counts by status, `broken` (the connection failed), or `not_sent` and `unanswered` (a bound of the load was reached). */
  readonly failures: ReadonlyMap<string, number>;
  readonly elapsedMs: number;
  readonly interrupted: boolean;
}

/** Names the request, so that its time can be explained afterwards. */
export interface SlowestResponse {
  /** The header `x-request-id`. */
  readonly request: string;
  /** From sending. */
  readonly serviceMs: number;
}

/** Retains only the slowest response's head and parses it at the end, because `add` runs for each response. */
export class Slowest {
  #serviceMs = -1;
  #head = '';

  add(serviceMs: number, head: string): void {
    if (serviceMs <= this.#serviceMs) return;
    this.#serviceMs = serviceMs;
    this.#head = head;
  }

  get answer(): SlowestResponse | null {
    const request = requestIdIn(this.#head);
    return request === null ? null : { request, serviceMs: this.#serviceMs };
  }
}

/** Delays in the generator, reported so that its limits are not blamed on the server. */
export interface Sending {
  /** From the scheduled to the actual send time, for each sent request. */
  readonly waitsMs: readonly number[];
  /** The part of all waits that was the generator's own lateness. The rest was waiting for a free connection. */
  readonly lateMs: number;
  /** From the start. */
  readonly lastSentMs: number;
}

/** Bounds that end a load even if the server does not answer. Milliseconds from the start. */
export interface SendLimits {
  /** Requests not sent by then fail as `not_sent`. */
  readonly sendUntilMs: number;
  /** Requests not answered by then fail as `unanswered`. */
  readonly answerUntilMs: number;
}

/** 5 s to catch up, then 30 s for a slow model to answer. */
export const sendLimitsOf = (forMs: number): SendLimits => ({ sendUntilMs: forMs + 5_000, answerUntilMs: forMs + 35_000 });

/** The server under load. */
export interface LoadTarget {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly isTls?: boolean;
  /** Called for each unsuccessful response, and with an empty body for each failed connection. */
  readonly onFailure?: (why: string, body: Buffer) => void;
  /** Without bounds, the load waits for all responses. */
  readonly bounds?: SendLimits;
  /** Ends the load at once. Requests in flight are not counted; due but unsent requests fail as `not_sent`. */
  readonly interrupted?: AbortSignal;
}

/** The schedule, and the request of each arrival. */
export interface OpenLoopOptions extends LoadTarget {
  /** Milliseconds from the start, ascending. All at 0 is a burst. */
  readonly arrivalsMs: readonly number[];
  /** The request of the i-th arrival. */
  readonly requestOf: (i: number) => Buffer;
  /** Called for each successful response. */
  readonly onAnswer?: (i: number, body: Buffer) => void;
  /** Opened before the load starts. If all are busy, due requests wait, and the wait counts as latency. */
  readonly connections: number;
  /** Sends up to a millisecond late instead of spinning, where that matters less than the processor that spinning takes. Default: false. */
  readonly isPatient?: boolean | undefined;
}

/** Runs the load to its end. */
export function runOpenLoop(options: OpenLoopOptions): Promise<LoadResult> {
  return new OpenLoop(options).run();
}

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #idle: HttpConnection[] = [];
  /** Connections that wait for a response. They are closed if the load ends first. */
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
  /** The index of the first arrival that is not due yet. */
  #next = 0;
  /** The index of the first arrival that has not been sent. */
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

  /** Ends the load at its bounds or on interruption. Returns a function that cancels both. */
  #bind(): () => void {
    const { bounds, clock, interrupted } = this.#options;
    const stop = (): void => {
      if (this.#isOver) return;
      this.#markDue();
      this.#abandonSending();
      this.#finish();
    };
    interrupted?.addEventListener('abort', stop, { once: true });
    if (interrupted?.aborted === true) stop();
    const cancels =
      bounds === undefined
        ? []
        : [clock.after(bounds.sendUntilMs, () => this.#abandonSending()), clock.after(bounds.answerUntilMs, () => this.#abandonWaiting())];
    return () => {
      interrupted?.removeEventListener('abort', stop);
      for (const cancel of cancels) cancel();
    };
  }

  #abandonSending(): void {
    const count = this.#next - this.#unsent;
    this.#unsent = this.#next;
    for (let i = 0; i < count; i++) this.#failed('not_sent');
  }

  #abandonWaiting(): void {
    for (let open = this.#open; open > 0; open--) this.#failed('unanswered');
  }

  #markDue(): void {
    const { arrivalsMs, clock } = this.#options;
    const elapsedMs = clock.nowMs() - this.#startMs;
    for (; this.#next < arrivalsMs.length && (arrivalsMs[this.#next] as number) <= elapsedMs; this.#next++) {
      this.#lateMs += elapsedMs - (arrivalsMs[this.#next] as number);
    }
  }

  #sendDue(): void {
    if (this.#isOver) return;
    const { arrivalsMs, clock, isPatient = false } = this.#options;
    this.#markDue();
    this.#serveDue();
    this.#failDue();
    const nextMs = arrivalsMs[this.#next];
    // Timers fire up to a millisecond late, which would count as latency. So the timer is set 1 ms early and setImmediate spins.
    if (nextMs === undefined) return;
    const leftMs = nextMs - (clock.nowMs() - this.#startMs);
    if (isPatient) clock.after(Math.ceil(leftMs), () => this.#sendDue());
    else if (leftMs > 1.5) clock.after(leftMs - 1, () => this.#sendDue());
    else setImmediate(() => this.#sendDue());
  }

  #serveDue(): void {
    while (this.#unsent < this.#next) {
      const connection = this.#idle.pop();
      if (connection === undefined) return;
      if (!connection.isOpen) {
        // The server closed it while idle, which is not a failure: clients open another.
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

  /** Replaces a failed connection, as clients do. If that fails, retries after a delay. */
  async #replace(): Promise<void> {
    try {
      const connection = await this.#connect();
      if (this.#isOver) return connection.close();
      this.#idle.push(connection);
      this.#serveDue();
    } catch {
      this.#lost++;
      this.#failDue();
      if (!this.#isOver) this.#options.clock.after(reconnectMs, () => this.#tryAgain());
    }
  }

  #tryAgain(): void {
    if (this.#isOver) return;
    this.#lost--;
    void this.#replace();
  }

  /** Fails due requests if all connections are lost. */
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
