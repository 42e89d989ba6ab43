/** Connections of clients that continue at the home, byte by byte. They end with it. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { errorBody, requestIdOf } from '../connections/index.ts';
import { PlatformError } from '../errors.ts';
import type { HomeDial } from './home-target.ts';
import { factsOf } from './introduction.ts';

/** The clock, and the way to the home. */
export interface PassedConnectionsDeps {
  readonly clock: Clock;
  /** Resolves with a paused connection to the home. Rejects when aborted, or if there will be no home. */
  readonly dial: (dial: HomeDial, signal: AbortSignal) => Promise<Socket>;
  /** Whether there is a home at the moment. */
  readonly hasHome: () => boolean;
}

/** Connections that wait without a home. None of their bytes are read, so each one costs what the system holds for it. */
const waitingMax = 1000;
/** As long as a request waits. */
const waitMs = 60_000;
/** Dials at once. Until it is introduced, each takes one of the 256 places that a home has for the connections of an address. */
const dialsMax = 32;

/** Of one gateway process. */
export class PassedConnections {
  readonly #deps: PassedConnectionsDeps;
  /** Dials that wait for their turn, in order. */
  readonly #turns = new Set<() => void>();
  #dialing = 0;
  /** Connections without their other half. */
  #waiting = 0;

  constructor(deps: PassedConnectionsDeps) {
    this.#deps = deps;
  }

  /** `socket` is paused. One that speaks HTTP/1.1 is answered if there is no home for it. */
  passOn(socket: Socket, kind: 'connection' | 'grpc', encrypted: boolean): void {
    const { clock, hasHome } = this.#deps;
    const refuse = (why: string): void => (kind === 'grpc' ? void socket.destroy() : reject(socket, why));
    socket.on('error', () => socket.destroy());
    if (this.#waiting >= waitingMax && !hasHome()) return refuse('too many connections wait for it already');
    const abort = new AbortController();
    const cancel = clock.after(waitMs, () => abort.abort());
    socket.once('close', () => abort.abort());
    this.#waiting++;
    this.#dial({ kind, connection: factsOf(socket), encrypted }, abort.signal)
      .then(
        (upstream) => join(socket, upstream),
        () => (abort.signal.aborted ? refuse('the time of the request is over') : socket.destroy()),
      )
      .finally(() => {
        cancel();
        this.#waiting--;
      });
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
function reject(socket: Socket, why: string): void {
  if (socket.destroyed) return;
  const message = `no node of the cluster serves requests at the moment, and ${why}: send the request again`;
  const body = errorBody(new PlatformError('unavailable', message), requestIdOf({ headers: {} }));
  const head = `HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
  socket.on('finish', () => socket.destroySoon()).resume();
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
