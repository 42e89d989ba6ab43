/** Connections of clients that continue at the home, byte by byte. They end with it. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { errorBody, errorHeaders, requestIdOf } from '../connections/index.ts';
import type { PlatformError } from '../errors.ts';
import type { HomeDial } from './home-target.ts';
import { factsOf } from './introduction.ts';
import type { LinkedHome } from './linked-home.ts';
import { cutOff, lateAnswer, noHome } from './no-home.ts';
import { beginsToAnswer, probeIn, probeMs } from './probes.ts';

/** The clock, and the way to the home. */
export interface PassedConnectionsDeps {
  readonly clock: Clock;
  /** Resolves with a paused connection to the home. Rejects when aborted, or if there will be no home. */
  readonly dial: (dial: HomeDial, signal: AbortSignal) => Promise<Socket>;
  readonly home: Pick<LinkedHome, 'isLinked' | 'isCutOff'>;
}

/** Connections that wait without a home. None of their bytes are read, so each one costs what the system holds for it. */
const waitingMax = 1000;
/** As long as a request waits. */
const waitMs = 60_000;
/** Dials at once. Until it is introduced, each takes one of the 256 places that a home has for the connections of an address. */
const dialsMax = 32;

/**
 * For a rejected client to read why: if it is still sending a body, a connection that is closed at once is reset. It might never close it.
 */
const lingerMs = 1000;

/** Of one gateway process. */
export class PassedConnections {
  readonly #deps: PassedConnectionsDeps;
  /** Dials that wait for their turn, in order. */
  readonly #turns = new Set<() => void>();
  #dialing = 0;
  /** Connections without their other half. */
  readonly #waiting = new Set<AbortController>();

  constructor(deps: PassedConnectionsDeps) {
    this.#deps = deps;
  }

  /** `socket` is paused; `unread`: what was received of it. One that speaks HTTP/1.1 is answered if there is no home for it. */
  passOn(socket: Socket, kind: 'connection' | 'grpc', encrypted: boolean, unread: Buffer | null = null): void {
    const { clock, home } = this.#deps;
    const refuse = (why: PlatformError): void => (kind === 'grpc' ? void socket.destroy() : reject(socket, why, clock));
    socket.on('error', () => socket.destroy());
    if (home.isCutOff) return refuse(cutOff());
    if (this.#waiting.size >= waitingMax && !home.isLinked) return refuse(noHome('too many connections wait for it already'));
    const probe = unread === null ? null : probeIn(unread);
    if (unread !== null && probe === null) socket.unshift(unread);
    const abort = new AbortController();
    const { signal } = abort;
    const [limitMs, late] = probe === null ? [waitMs, noHome('the time of the request is over')] : [probeMs, lateAnswer(probeMs)];
    const cancel = clock.after(limitMs, () => abort.abort(late));
    socket.once('close', () => abort.abort());
    this.#waiting.add(abort);
    this.#dial({ kind, connection: factsOf(socket), encrypted }, signal)
      .then((upstream) => (probe === null ? upstream : beginsToAnswer(upstream, probe, signal)))
      .then(
        (upstream) => join(socket, upstream),
        () => {
          if (signal.aborted) refuse(signal.reason as PlatformError);
          else if (probe !== null) refuse(late);
          else socket.destroy();
        },
      )
      .finally(() => {
        cancel();
        this.#waiting.delete(abort);
      });
  }

  /** There will be no home soon: connections that wait for it are answered, or closed if they speak gRPC. */
  rejectWaiting(): void {
    for (const abort of this.#waiting) abort.abort(cutOff());
  }

  async #dial(dial: HomeDial, signal: AbortSignal): Promise<Socket> {
    if (this.#dialing >= dialsMax) await this.#turn(signal);
    signal.throwIfAborted();
    this.#dialing++;
    try {
      return await this.#deps.dial(dial, signal);
    } finally {
      this.#dialing--;
      const [next] = this.#turns;
      next?.();
    }
  }

  /** Resolves when another dial has ended, or when aborted. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#turns.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#turns.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

/** The request of the connection, of which nothing was passed on, is answered without the home. */
function reject(socket: Socket, why: PlatformError, clock: Pick<Clock, 'after'>): void {
  if (socket.destroyed) return;
  const body = errorBody(why, requestIdOf({ headers: {} }));
  const headers = {
    'content-type': 'application/json',
    ...errorHeaders(why),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 503 Service Unavailable\r\n${lines.join('')}\r\n${body}`);
  socket.once(
    'close',
    clock.after(lingerMs, () => socket.destroy()),
  );
  socket.resume();
}

function join(socket: Socket, upstream: Socket): void {
  upstream.on('error', () => upstream.destroy());
  // The client gets what the server has sent before it closed the connection.
  upstream.on('close', () => socket.destroySoon());
  socket.on('close', () => upstream.destroy());
  if (socket.destroyed) upstream.destroy();
  socket.pipe(upstream);
  upstream.pipe(socket);
}
