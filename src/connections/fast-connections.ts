/**
 * Connections of clients that send plain inference requests, served without node:http, which takes twice the processor time. A connection
 * begins here. Its first request that is not a plain one, and everything after it, is handed to node:http unread and stays there.
 *
 * Requests of a connection are answered one after the other: a pipelined one waits, unread, until the previous one has been answered. A body
 * that is not there at once is passed on in the pieces in which it is read. If its request is answered early, the rest is discarded.
 */
import type { Server, Socket } from 'node:net';
import { releaseMemory } from '../buffer-release.ts';
import type { Clock } from '../clock.ts';
import { FastHeads, streamedBodyBytesMax, wholeBodyBytesMax } from './fast-head.ts';
import { FastRequest, FastResponse } from './fast-message.ts';

/** What a listener passes to its fast path: time limits, and which requests it may serve. */
export interface FastConnectionsOptions {
  readonly server: Server;
  readonly isTls: boolean;
  readonly clock: Clock;
  /** A connection that sends only a part of a request is left to node:http and its time limits after once or twice this time. */
  readonly patienceMs: number;
  /**
   * One that has sent nothing for this long is closed. It is not left to node:http: pools of clients open connections in advance, and would
   * be served there for as long as they live, in twice the processor time.
   */
  readonly silentMs: number;
  /** Connections that have sent nothing. Beyond it, the oldest one is closed: they must not take all places from clients that send requests. */
  readonly silentMax: number;
  /** Lifetime of an idle connection. */
  readonly keepAliveMs: number;
  /** A body of up to 1 MiB that is not there at once is passed on while it arrives, within this time. Default: its connection is handed over. */
  readonly streamedMs?: number;
  /** Whether a request is served here. */
  readonly accepts: (request: FastRequest) => boolean;
  readonly serve: (request: FastRequest, response: FastResponse) => void;
  /** Takes connections that are handed over, in place of the server's own listener, and limits those that are not yet. */
  readonly passing?: { readonly passOn: PassOn; readonly holds: HeldLimits };
}

/** `socket` is paused; `unread`: what was received of it. */
type PassOn = (socket: Socket, unread: Buffer | null) => void;

/** Connections without a whole head stay here if they would be handed to another process, which they would occupy for nothing. */
export interface HeldLimits {
  /** From the first byte to the end of the first head. */
  readonly headMs: number;
}

/** Pipelined bytes that are held while a request is answered; beyond it, the connection is not read. */
const heldBytesMax = wholeBodyBytesMax;
const heldReadsMax = 16;
/** As node:http. */
const headBytesMax = 16 * 1024;
const lateReply = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

type Listen = (this: Server, socket: Socket) => void;

/** All connections of one server that are still on the fast path. One that is handed over is no longer known here. */
export class FastConnections {
  readonly options: FastConnectionsOptions;
  readonly heads: FastHeads;
  readonly #handOver: PassOn;
  readonly #open = new Set<FastConnection>();
  /** Those of `#open` that have sent nothing, oldest first. */
  readonly #silent = new Set<FastConnection>();
  readonly #keepAliveSeconds: number;
  /** Whether a connection that becomes idle is closed. */
  isClosing = false;
  #date = '';
  #dateSecond = Number.NaN;
  #cancel = (): void => {};

  /** Takes the place of node's own listener for connections, which gets those that are handed over. */
  constructor(options: FastConnectionsOptions) {
    this.options = options;
    this.heads = new FastHeads(this.streams ? streamedBodyBytesMax : wholeBodyBytesMax);
    const { server, isTls, keepAliveMs } = options;
    this.#keepAliveSeconds = Math.floor(keepAliveMs / 1000);
    const event = isTls ? 'secureConnection' : 'connection';
    // TLS connections come from a listener of the event `connection`, which stays.
    const native = server.listeners(event) as Listen[];
    server.removeAllListeners(event);
    this.#handOver =
      options.passing?.passOn ??
      ((socket, unread) => {
        if (unread !== null) socket.unshift(unread);
        for (const listen of native) listen.call(server, socket);
        socket.resume();
      });
    server.on(event, (socket: Socket) => {
      const connection = new FastConnection(socket, this);
      this.#open.add(connection);
      this.#silent.add(connection);
      if (this.#silent.size > options.silentMax) {
        const [oldest] = this.#silent;
        this.#silent.delete(oldest as FastConnection);
        oldest?.socket.destroy();
      }
    });
  }

  start(): void {
    this.#cancel = this.options.clock.after(this.options.patienceMs, () => {
      this.#sweep();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** From now on each response closes its connection, unless its head is already written. */
  closeAfterResponses(): void {
    for (const connection of this.#open) connection.closeAfterResponse();
  }

  /** Closes connections that have been answered and wait for nothing, from now on, once their clients have read the responses. */
  closeIdle(): void {
    this.isClosing = true;
    for (const connection of this.#open) if (connection.isIdle) connection.close();
  }

  closeAll(): void {
    for (const connection of this.#open) connection.socket.destroy();
  }

  ended(connection: FastConnection): void {
    this.#open.delete(connection);
    this.#silent.delete(connection);
  }

  /** The first bytes of the connection have arrived. */
  spoke(connection: FastConnection): void {
    this.#silent.delete(connection);
  }

  /** Whether what has arrived of a head waits here for the rest. */
  holds(unread: Buffer): boolean {
    if (this.options.passing === undefined || unread.length >= headBytesMax) return false;
    const [first = 0] = unread;
    return first >= 0x41 && first <= 0x5a && !unread.includes('\r\n\r\n');
  }

  handOver(connection: FastConnection, unread: Buffer | null): void {
    const { socket } = connection;
    this.ended(connection);
    socket.pause();
    this.#handOver(socket, unread);
  }

  /** Whether a body is passed on while it arrives. */
  get streams(): boolean {
    return this.options.streamedMs !== undefined;
  }

  /** Ends a connection whose request is broken, as node:http does. */
  reject(connection: FastConnection, code: 'ERR_HTTP_REQUEST_TIMEOUT' | 'HPE_INVALID_EOF_STATE'): void {
    const { socket } = connection;
    this.#silent.delete(connection);
    const error = Object.assign(new Error(code), { code });
    if (this.options.server.emit('clientError', error, socket)) return;
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') socket.end(lateReply);
    socket.destroySoon();
  }

  /** Leaves a connection to node's own listener from its beginning. */
  leave(socket: Socket): void {
    this.#handOver(socket, null);
  }

  responseTo(request: FastRequest, onEnd: () => void, socket: Socket = request.socket): FastResponse {
    return new FastResponse(request, { socket, date: this.#now, keepAliveSeconds: this.#keepAliveSeconds, onEnd });
  }

  /** Formatted once a second. */
  readonly #now = (): string => {
    const second = Math.floor(this.options.clock.wallMs() / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = new Date(second * 1000).toUTCString();
    }
    return this.#date;
  };

  /** One timer for all connections: one per request would cost more than most requests. */
  #sweep(): void {
    const { clock, patienceMs, silentMs, keepAliveMs, passing, streamedMs = 0 } = this.options;
    const nowMs = clock.nowMs();
    for (const connection of this.#open) {
      const waitedMs = nowMs - connection.sinceMs;
      if (connection.isStreaming) {
        if (waitedMs > streamedMs) connection.reject('ERR_HTTP_REQUEST_TIMEOUT');
      } else if (connection.isIdle) {
        // The idle time begins once the client has read the response. Clients that do not read are closed elsewhere.
        if (connection.socket.writableLength > 0) connection.sinceMs = nowMs;
        else if (waitedMs > keepAliveMs) connection.socket.destroy();
      } else if (this.#silent.has(connection)) {
        if (waitedMs > silentMs) connection.reject('ERR_HTTP_REQUEST_TIMEOUT');
      } else if (passing !== undefined && connection.isWithoutHead) {
        if (waitedMs > passing.holds.headMs) connection.reject('ERR_HTTP_REQUEST_TIMEOUT');
      } else if (connection.isIncomplete && waitedMs > patienceMs) connection.handOver();
    }
  }
}

/** A connection that has sent only plain requests so far. */
class FastConnection {
  readonly socket: Socket;
  /** When it became idle, or when its incomplete request began. */
  sinceMs: number;
  readonly #all: FastConnections;
  #unread: Buffer | null = null;
  /** Number of reads for the request at the beginning of `#unread`. */
  #reads = 0;
  /** Reads that arrived while a request was answered. */
  #held = 0;
  #answered = 0;
  /** Its body is still arriving, whether or not it was answered. */
  #streamed: FastRequest | null = null;
  #response: FastResponse | null = null;
  #isServing = false;
  /** Whether the next request waits until the responses before are written. */
  #isBlocked = false;
  /** Whether a response has announced that the connection closes. */
  #isLast = false;
  #isStopped = false;

  constructor(socket: Socket, all: FastConnections) {
    this.socket = socket;
    this.#all = all;
    this.sinceMs = all.options.clock.nowMs();
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  /** Whether it waits for its next request, of which nothing has arrived. */
  get isIdle(): boolean {
    return this.#response === null && this.#streamed === null && this.#unread === null && this.#answered > 0;
  }

  /** Whether the body of its request is still arriving. */
  get isStreaming(): boolean {
    return this.#streamed !== null;
  }

  /** Whether it waits for its first request, or for the rest of one. */
  get isIncomplete(): boolean {
    return this.#response === null && this.#streamed === null && !this.isIdle && !this.#isStopped;
  }

  /** Whether it has sent a part of a head. */
  get isWithoutHead(): boolean {
    return this.isIncomplete && this.#unread !== null && this.#all.holds(this.#unread);
  }

  closeAfterResponse(): void {
    if (this.#response !== null && !this.#response.headersSent) this.#response.shouldKeepAlive = false;
  }

  /** Leaves the connection, and what it has not read of it, to node:http. No request is being answered. */
  handOver(): void {
    const unread = this.#unread;
    this.#unread = null;
    this.#isStopped = true;
    this.socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose);
    this.#all.handOver(this, unread);
  }

  /** Closes the connection with an error, in the middle of a request. */
  reject(code: 'ERR_HTTP_REQUEST_TIMEOUT' | 'HPE_INVALID_EOF_STATE'): void {
    this.#streamed = null;
    this.#isStopped = true;
    if (this.#isLast) this.socket.destroySoon();
    else this.#all.reject(this, code);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isStopped) return;
    if (this.#streamed !== null) return this.#stream(this.#streamed, chunk);
    if (this.#reads === 0 && this.#answered === 0) this.#all.spoke(this);
    this.#unread = this.#unread === null ? chunk : Buffer.concat([this.#unread, chunk]);
    if (this.#response !== null || this.socket.writableNeedDrain) {
      this.#held++;
      if (this.#unread.length > heldBytesMax || this.#held > heldReadsMax) this.socket.pause();
      if (this.#response === null) this.#goOnAfterDrain();
      return;
    }
    this.#reads++;
    this.#serve();
  };

  /** Like node:http: after a client has ended its side, it gets no further responses. */
  readonly #onEnd = (): void => {
    if (this.#streamed !== null) return this.reject('HPE_INVALID_EOF_STATE');
    this.#isStopped = true;
    this.socket.end();
  };

  readonly #onError = (): void => {
    this.socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#isStopped = true;
    this.#all.ended(this);
    this.#response?.close();
  };

  /** Serves the requests that have arrived, one after the other. */
  #serve(): void {
    if (this.#isServing) return; // the loop below continues with the next one
    this.#isServing = true;
    while (this.#unread !== null && this.#response === null && this.#streamed === null && !this.#isStopped) {
      if (this.socket.writableNeedDrain) {
        this.#goOnAfterDrain();
        break;
      }
      if (!this.#serveNext(this.#unread)) break;
    }
    this.#isServing = false;
  }

  /** False if there is no request to serve, or if the connection was handed over. */
  #serveNext(unread: Buffer): boolean {
    const head = this.#all.heads.read(unread);
    const isWhole = typeof head !== 'string' && unread.length >= head.headBytes + head.bodyBytes;
    const isLate = !isWhole && this.#reads > 1;
    const isStreamed = typeof head !== 'string' && (head.bodyBytes > wholeBodyBytesMax || (isLate && this.#all.streams));
    const isHeld = typeof head === 'string' && this.#all.holds(unread);
    if (!isHeld && (head === 'other' || (isLate && !isStreamed))) return this.#leave();
    if (!isWhole && this.#reads === 1) this.sinceMs = this.#all.options.clock.nowMs();
    if (typeof head === 'string' || !(isWhole || isStreamed)) return false;
    const end = isStreamed ? head.headBytes : head.headBytes + head.bodyBytes;
    const bytes = end === unread.length ? unread : unread.subarray(0, end);
    const request = new FastRequest(head, bytes, this.socket);
    if (!this.#all.options.accepts(request)) return this.#leave();
    this.#unread = end === unread.length ? null : unread.subarray(end);
    this.#reads = this.#unread === null ? 0 : 1;
    const response = this.#all.responseTo(request, () => this.#onAnswered(response));
    this.#response = response;
    if (isStreamed) this.#streamed = request;
    this.#all.options.serve(request, response);
    if (isStreamed && this.#unread !== null) this.#streamFirst(request, this.#unread, unread);
    return true;
  }

  /** The first piece gets memory of its own, because that of a read holds the head, too. */
  #streamFirst(request: FastRequest, begun: Buffer, read: Buffer): void {
    const first = Buffer.allocUnsafeSlow(Math.min(begun.length, request.missingBytes));
    begun.copy(first);
    this.#unread = first.length === begun.length ? null : begun.subarray(first.length);
    if (this.#unread === null) {
      this.#reads = 0;
      queueMicrotask(() => releaseMemory(read));
    }
    this.#stream(request, first);
  }

  /** Passes a piece of the body on, and continues with the next request if this one is complete and answered. */
  #stream(request: FastRequest, chunk: Buffer): void {
    const missing = request.missingBytes;
    const piece = chunk.length <= missing ? chunk : chunk.subarray(0, missing);
    if (piece.length === missing) this.#streamed = null;
    request.push(piece);
    if (this.#isLast && this.#streamed === null) this.close();
    else if (piece.length < chunk.length) this.#onData(chunk.subarray(piece.length));
    else if (this.isIdle) {
      this.sinceMs = this.#all.options.clock.nowMs();
      if (this.#all.isClosing) this.close();
    }
  }

  #leave(): false {
    this.handOver();
    return false;
  }

  #onAnswered({ shouldKeepAlive }: FastResponse): void {
    this.#response = null;
    this.#answered++;
    if (this.#streamed === null) this.sinceMs = this.#all.options.clock.nowMs();
    if (!shouldKeepAlive) this.#isLast = true;
    // Closed before the end of a body, the connection would be reset, and its client might not read the response.
    if (this.#isLast && this.#streamed === null) this.close();
    else if (this.#unread !== null) this.#goOn();
  }

  /** Closes the connection once its responses are written. */
  close(): void {
    this.#isStopped = true;
    this.#unread = null;
    this.socket.destroySoon();
  }

  /** Continues once the client has read the responses before. */
  #goOnAfterDrain(): void {
    if (this.#isBlocked) return;
    this.#isBlocked = true;
    this.socket.once('drain', () => {
      this.#isBlocked = false;
      if (this.#response === null && this.#unread !== null) this.#goOn();
    });
  }

  #goOn(): void {
    if (this.#isStopped) return;
    this.#reads = Math.max(this.#reads, 1);
    this.#held = 0;
    this.socket.resume();
    this.#serve();
  }
}
