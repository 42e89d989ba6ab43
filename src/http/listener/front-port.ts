/** The gateway processes of a server, as its listener sees them: they hold the port, and pass on what they do not serve. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { type FastConnections, type FastHeads, FastRequest, type FastResponse } from '../../connections/index.ts';

/** Implemented by `gateways`, a higher layer. */
export interface FrontPort {
  /** Resolves with the path where the listener listens in place of the port. */
  open(): Promise<string>;
  /** Resolves with the port once connections are accepted at it. */
  start(): Promise<number>;
  /** A connection to the socket: calls `passOn` if a client's connection continues here. */
  receive(socket: Socket, passOn: (socket: Socket) => void): void;
  /**
   * Calls `run` once the endpoint of an inference at this path is in service again after a change of the home. Returns a function that reports
   * that its client has disconnected; null, without a call, if there is nothing to wait for.
   */
  awaitEndpoint(path: string, run: () => void): (() => void) | null;
  /** Resolves when all processes have ended. */
  drain(times: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void>;
  close(): Promise<void>;
}

/** The head of a plain request that was recognised. */
export type PlainHead = Exclude<ReturnType<FastHeads['read']>, string>;

/** When a forwarded request arrived, and where its response goes. */
export interface ForwardedResponse {
  /** At the gateway process, by the clock of the server. */
  readonly arrivedAtMs: number;
  /** The connection may stay open although this server ends. */
  readonly outlivesServer: boolean;
  /** Called once, with status line, headers and body. `stays`: the connection stays open. */
  write(bytes: Buffer, stays: boolean): void;
  /** Called in place of `write`: the connection ends. */
  destroy(): void;
}

/** The members of a socket that a response on the fast path uses. */
class ForwardedSocket extends EventEmitter {
  readonly #to: ForwardedResponse;
  readonly #stays: () => boolean;
  /** Of a response that is written in parts. */
  #parts: Buffer[] | null = null;

  constructor(to: ForwardedResponse, stays: () => boolean) {
    super();
    this.#to = to;
    this.#stays = stays;
  }

  write(text: string | Uint8Array, ...rest: readonly (BufferEncoding | (() => void))[]): void {
    const [encoding] = rest as [BufferEncoding];
    const bytes = typeof text === 'string' ? Buffer.from(text, encoding) : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
    if (this.#parts === null) this.#to.write(bytes, this.#stays());
    else this.#parts.push(bytes);
    const written = rest.at(-1);
    if (typeof written === 'function') queueMicrotask(written);
  }

  cork(): void {
    this.#parts = [];
  }

  uncork(): void {
    const whole = Buffer.concat(this.#parts ?? []);
    this.#parts = null;
    this.#to.write(whole, this.#stays());
  }

  destroy(): void {
    this.#to.destroy();
    this.emit('close');
  }
}

/** A plain request that a gateway process has received, and its response. */
export function forwardedExchange(
  fast: Pick<FastConnections, 'responseTo'>,
  head: PlainHead,
  bytes: Buffer,
  connection: object,
  to: ForwardedResponse,
): { readonly request: FastRequest; readonly response: FastResponse } {
  const request = new FastRequest(head, bytes, connection as Socket, to.arrivedAtMs);
  const socket = new ForwardedSocket(to, () => response.shouldKeepAlive);
  const response: FastResponse = fast.responseTo(request, () => undefined, socket as unknown as Socket);
  // As the connection of a client does: limits of keys count a request until its response is closed.
  socket.on('close', () => queueMicrotask(() => response.close()));
  return { request, response };
}
