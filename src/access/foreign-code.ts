/**
 * Calls without a key act as the operator of this machine. Model code on this machine is not the operator. If it runs under
 * its own user id, its sockets are recognized. Otherwise no call without a key can be trusted, so all of them are limited
 * to reading and invoking.
 */
import { type PeerSocket, peerUid } from './peer-uid.ts';

/** Facts about model code that runs on this machine. */
export interface ForeignCodeDeps {
  /** Whether model code with network access runs under its own user id. If absent, assume it does. */
  hasForeignUsers?(): boolean;
  /** Whether model code runs under this user id. */
  isForeignUid(uid: number): boolean;
  /** Whether model code with network access runs without its own user id. */
  isForeignCodeUnconfined(): boolean;
}

/** The default: no model code runs on this machine. */
export const noForeignCode: ForeignCodeDeps = {
  hasForeignUsers: () => false,
  isForeignUid: () => false,
  isForeignCodeUnconfined: () => false,
};

/** The peer has closed its socket, or its process has ended. */
const unknownUid = -1;

/** Finds out by the socket whose process called, never by what the call says. */
export class ForeignPeers {
  readonly #deps: ForeignCodeDeps;
  readonly #lookUp: (socket: PeerSocket) => number | null;
  /** Cached per connection: its process does not change, and a lookup reads a whole table. */
  readonly #uids = new WeakMap<PeerSocket, number>();

  constructor(deps: ForeignCodeDeps, lookUp: (socket: PeerSocket) => number | null = peerUid) {
    this.#deps = deps;
    this.#lookUp = lookUp;
  }

  /** Whether calls without a key are limited to reading and invoking. */
  get areCallsCapped(): boolean {
    return this.#deps.isForeignCodeUnconfined();
  }

  /** Whether the connection belongs, or may belong, to model code. */
  isForeign(socket: PeerSocket | undefined): boolean {
    const known = socket === undefined ? undefined : this.#uids.get(socket);
    if (known === undefined && this.#deps.hasForeignUsers?.() === false) return false;
    if (socket === undefined) return true;
    // A failed lookup is cached, too: it is not repeated for the next request of the connection.
    const uid = known ?? this.#lookUp(socket) ?? unknownUid;
    this.#uids.set(socket, uid);
    return uid === unknownUid || this.#deps.isForeignUid(uid);
  }
}
