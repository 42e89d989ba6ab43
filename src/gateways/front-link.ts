/** The server's end of the link to a gateway process: enters its calls into the home, and serves the requests that it forwards. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { asPlatformError } from '../errors.ts';
import { RoundTrips } from '../links/index.ts';
import { CallTable, type Frame, FrameReader, malformedFrame, messageFrame } from '../runtime/index.ts';
import { type Home, type InferenceOutcome, releaseResult, type ServedRoute } from '../serving/index.ts';
import { BatchedWriter } from './batched-writer.ts';
import type { CatalogueEndpoint } from './catalogue.ts';
import type { PeerFacts } from './introduction.ts';
import {
  bytesFrame,
  enteredRoute,
  linkKinds,
  readAgain,
  readBytes,
  readEntered,
  refusedFrame,
  resultFrame,
  signalFrame,
} from './link-frames.ts';

/** A connection that a gateway process holds. Its requests arrive as frames. */
export interface ForwardedConnection extends PeerFacts {
  destroyed: boolean;
}

/** A request that the gateway process did not decode. */
export interface ForwardedRequest {
  readonly bytes: Buffer;
  readonly connection: ForwardedConnection;
  /** When the gateway process received it, by the clock of the server. */
  readonly arrivedAtMs: number;
  /** Sends the response, once; `flagBits` are those of link-frames.ts. */
  readonly respond: (response: Buffer, flagBits: number) => void;
  /** Called in place of a response: the connection must end. */
  readonly drop: () => void;
}

/** A gateway process sends requests with bodies up to 64 KiB. Decoded numbers take at most four times the bytes of their text. */
const frameBytesMax = 1024 * 1024;

/** A frame's text may be twice as long. A longer frame would end every process that reads it. */
const catalogueBytesMax = 16 * 1024 * 1024;

/** What a link serves calls with. */
export interface FrontLinkDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly home: Home;
  /** The route with this number; undefined if it is no longer served. */
  readonly routeOf: (number: number) => ServedRoute | undefined;
  /** Serves a request; the returned function reports that its client has disconnected. */
  readonly serveWhole: (request: ForwardedRequest) => () => void;
  readonly logError: (fields: object, message: string) => void;
  /** What is known of a connection that the gateway process holds. */
  readonly connectionOf: (facts: unknown) => PeerFacts;
  /** The gateway process has ended or violated the protocol. */
  readonly onEnd: (why: string) => void;
}

/** One per gateway process. If it ends, calls in progress are cancelled. */
export class FrontLink {
  readonly #deps: FrontLinkDeps;
  readonly #socket: Socket;
  readonly #writer: BatchedWriter;
  /** Functions that cancel the calls in progress. */
  readonly #cancels = new CallTable<() => void>();
  readonly #connections = new Map<number, ForwardedConnection>();
  readonly #trips = new RoundTrips();
  #hasEnded = false;
  /** The gateway process sends nothing more. */
  #isLeaving = false;
  #onLeft: () => void = () => undefined;

  constructor(socket: Socket, deps: FrontLinkDeps) {
    this.#deps = deps;
    this.#socket = socket;
    this.#writer = new BatchedWriter(socket);
    const reader = new FrameReader((frame) => this.#take(frame), frameBytesMax);
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#end(String(error));
      }
    });
    socket.on('error', () => undefined);
    // The server's connections may be half open, so the end of a killed process does not close its link.
    for (const event of ['end', 'close'] as const) socket.on(event, () => this.#end('it closed its link'));
  }

  /** Without a catalogue, as with one that is too long for a frame, all requests are sent as a whole. */
  setCatalogue(endpoints: readonly CatalogueEndpoint[]): void {
    const frame = messageFrame(0, linkKinds.catalogue, endpoints);
    this.#writer.write([frame.length <= catalogueBytesMax ? frame : messageFrame(0, linkKinds.catalogue, [])]);
  }

  /** Asks for no more requests. Resolves when those under way have been answered, and the answers were sent. */
  leave(): Promise<void> {
    this.#writer.write([signalFrame(0, linkKinds.leave)]);
    return new Promise((resolve) => {
      this.#onLeft = resolve;
      if (this.#hasEnded) resolve();
    });
  }

  /** Shows that this process runs. `isMeasured`: asks for an echo. */
  beat(isMeasured = false): void {
    const number = isMeasured ? this.#trips.begin(this.#deps.clock.nowMs()) : 0;
    this.#writer.write([signalFrame(number, linkKinds.beat)]);
  }

  /** Round trip; null before the first echo, and of a gateway process of an older version. */
  get lagMs(): number | null {
    return this.#trips.measured?.lagMs ?? null;
  }

  close(): void {
    this.#end('the server closes');
  }

  #take(frame: Frame): void {
    const { call, kind } = frame;
    switch (kind) {
      case linkKinds.enter:
        return this.#enter(frame);
      case linkKinds.whole:
        return this.#serveWhole(frame, { ...readBytes(frame), elapsedMs: 0 });
      case linkKinds.again:
        return this.#serveWhole(frame, readAgain(frame));
      case linkKinds.cancel:
        this.#cancels.get(call)?.();
        this.#settled(call);
        return;
      case linkKinds.connected:
        this.#connections.set(call, { ...this.#deps.connectionOf(frame.message), destroyed: false });
        return;
      case linkKinds.leave:
        this.#isLeaving = true;
        return this.#leaveIfIdle();
      case linkKinds.echo:
        return this.#trips.answered(call, this.#deps.clock.nowMs(), 0, 0); // clocks are measured by the database
      case linkKinds.disconnected: {
        const connection = this.#connections.get(call);
        if (connection !== undefined) connection.destroyed = true;
        this.#connections.delete(call);
        return;
      }
      case linkKinds.log: {
        const { fields, message } = frame.message as { readonly fields: object; readonly message: string };
        return this.#deps.logError(fields, message);
      }
      default:
        throw malformedFrame(`the server expects no frame of kind ${kind} from a gateway process`);
    }
  }

  #enter(frame: Frame): void {
    const { call: number } = frame;
    const { clock, home, routeOf } = this.#deps;
    const route = routeOf(enteredRoute(frame));
    if (route === undefined) return this.#writer.write([signalFrame(number, linkKinds.changed)]);
    const call = readEntered(frame, route.signature.inputs, clock.nowMs());
    let isSettled = false;
    try {
      const cancel = home.enter(route, call, (outcome) => {
        isSettled = true;
        this.#writer.write(outcomeFrame(number, outcome));
        if (outcome.ok) releaseResult(outcome.result, call.rows); // the frame has a copy
        this.#settled(number);
      });
      if (!isSettled) this.#cancels.set(number, cancel);
    } catch (error) {
      this.#writer.write([refusedFrame(number, asPlatformError(error))]);
    }
  }

  #serveWhole({ call }: Frame, { number, content: bytes, elapsedMs }: ReturnType<typeof readAgain>): void {
    const connection = this.#connections.get(number);
    if (connection === undefined) throw malformedFrame('the connection of a request is unknown');
    let isAnswered = false;
    const respond = (response: Buffer, flagBits: number): void => {
      if (isAnswered) return;
      isAnswered = true;
      this.#writer.write([bytesFrame(call, linkKinds.answered, 0, [response], flagBits)]);
      this.#settled(call);
    };
    const arrivedAtMs = this.#deps.clock.nowMs() - elapsedMs;
    const leave = this.#deps.serveWhole({ bytes, connection, arrivedAtMs, respond, drop: () => respond(Buffer.alloc(0), 0) });
    if (!isAnswered) this.#cancels.set(call, leave);
  }

  #settled(call: number): void {
    this.#cancels.take(call);
    if (this.#isLeaving) this.#leaveIfIdle();
  }

  /** Destroying the socket could discard the last answers, so the other side closes it. */
  #leaveIfIdle(): void {
    if (this.#cancels.size > 0) return;
    this.#writer.flush();
    this.#socket.end(() => this.#onLeft());
  }

  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.destroy();
    for (const connection of this.#connections.values()) connection.destroyed = true;
    for (const cancel of this.#cancels.takeAll()) cancel();
    this.#onLeft();
    this.#deps.onEnd(why);
  }
}

/** An outcome that cannot be sent, because its tensors are too large for a frame, becomes an error. */
function outcomeFrame(number: number, outcome: InferenceOutcome): Buffer[] {
  if (!outcome.ok) return [refusedFrame(number, outcome.error)];
  try {
    return resultFrame(number, outcome.result);
  } catch (error) {
    return [refusedFrame(number, asPlatformError(error))];
  }
}
