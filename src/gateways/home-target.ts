/**
 * Where the home of a gateway process is, and connections to it. The home is the server that started the process, or another node of the
 * cluster, or not known at the moment.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { introductionBytes, type LinkIdentity } from '../links/index.ts';
import type { Introduction, PeerFacts } from './introduction.ts';

/** The server that started this process. */
export interface OwnHome {
  readonly socketPath: string;
  readonly token: string;
}

/** Another node. */
export interface OtherHome {
  /** `HOST:PORT` of its links. */
  readonly address: string;
  /** `HOST:PORT` of the nodes that may pass links on to it. */
  readonly detours: readonly string[];
  /** By which this process shows that it belongs to the cluster. */
  readonly identity: LinkIdentity;
}

/** `term`: another value means another home, even at the same place. */
export type HomeTarget =
  | { readonly term: number; readonly own: OwnHome; readonly other?: undefined }
  | { readonly term: number; readonly own?: undefined; readonly other: OtherHome }
  /** About to be known. */
  | { readonly term: number; readonly own?: undefined; readonly other?: undefined };

/** What a connection to the home is for: the link of this process, or the rest of a client's connection. */
export type HomeDial =
  | { readonly kind: 'front' }
  /** `grpc`: of a client of the gRPC port. */
  | { readonly kind: 'connection' | 'grpc'; readonly connection: PeerFacts; readonly encrypted: boolean };

/** A connection to another node, introduced and paused. Rejects when aborted. */
export type DialOther = (home: OtherHome, dial: HomeDial, signal: AbortSignal) => Promise<Socket>;

/** The clock, how to reach other nodes, and whether to wait for a home that does not answer. */
export interface HomeTargetsDeps {
  readonly clock: Clock;
  readonly dialOther: DialOther;
  /** If false, a connection is attempted once: without its server, this process is of no use. */
  readonly waits: boolean;
}

/** The server accepts one connection in a turn of its event loop; thousands may be dialled at once. */
const retryMs = 10;
/** Until the socket of a server that is about to listen is dialled again. */
const absentMs = 25;
/** What a home that was replaced may still send on the connections of clients. It may live on without knowing, cut off from the database. */
const oldHomeMs = 1000;
/** Until another node that refused this process is dialled again: its dialer repeats everything else itself. */
const refusedMs = 250;

/** Follows the home. */
export class HomeTargets {
  readonly #deps: HomeTargetsDeps;
  #target: HomeTarget;
  #changed = new AbortController();
  /** Clients' connections at another node. */
  #atOther = new Set<Socket>();

  constructor(target: HomeTarget, deps: HomeTargetsDeps) {
    this.#target = target;
    this.#deps = deps;
  }

  get target(): HomeTarget {
    return this.#target;
  }

  /** Connections that are being dialled to the home before are dialled to this one. Those of clients that are there end soon. */
  set(target: HomeTarget): void {
    if (target.term !== this.#target.term) this.endPassed();
    this.#target = target;
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** Clients' connections at another node end soon: they no longer lead to the home. Clients connect again. */
  endPassed(): void {
    if (this.#atOther.size === 0) return;
    const left = this.#atOther;
    this.#atOther = new Set();
    this.#deps.clock.after(oldHomeMs, () => {
      for (const socket of left) socket.destroy();
    });
  }

  /** Resolves with a paused connection to the home. Rejects when aborted, or if the server of this process is gone. */
  async dial(dial: HomeDial, signal: AbortSignal): Promise<Socket> {
    for (;;) {
      signal.throwIfAborted();
      const { target } = this;
      const changed = this.#changed.signal;
      try {
        if (target.own !== undefined) return await dialOwn(target.own, dial);
        const either = AbortSignal.any([signal, changed]);
        if (target.other !== undefined) return this.#keep(await this.#deps.dialOther(target.other, dial, either), dial);
        await aborted(either);
      } catch (error) {
        const isBusy = (error as NodeJS.ErrnoException).code === 'EAGAIN';
        if (!this.#deps.waits && !isBusy) throw error;
        if (!changed.aborted && !signal.aborted) await this.#pause(isBusy ? retryMs : target.own === undefined ? refusedMs : absentMs);
      }
    }
  }

  #keep(socket: Socket, { kind }: HomeDial): Socket {
    const sockets = this.#atOther;
    if (kind === 'front') return socket;
    sockets.add(socket);
    return socket.once('close', () => sockets.delete(socket));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.after(ms, resolve));
  }
}

async function dialOwn({ socketPath: path, token }: OwnHome, dial: HomeDial): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: dial.kind !== 'front' });
  try {
    await once(socket, 'connect');
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const introduction: Introduction = { token, connection: dial.kind === 'front' ? null : dial.connection, isGrpc: dial.kind === 'grpc' };
  socket.write(introductionBytes(introduction));
  return socket.pause();
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
