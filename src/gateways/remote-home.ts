/** The home of the server, as a gateway process sees it: calls go over the link, and results come back. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { type Frame, FrameReader, malformedFrame, messageFrame } from '../runtime/index.ts';
import type { Home, InferenceCall, InferenceOutcome } from '../serving/index.ts';
import { BatchedWriter } from './batched-writer.ts';
import type { CatalogueEndpoint, CatalogueRoute } from './catalogue.ts';
import { bytesFrame, enterFrame, flags, linkKinds, readBytes, readRefused, readResult, signalFrame } from './link-frames.ts';

/** The response to a forwarded request. */
export interface WholeResponse {
  /** Status line, headers and body. */
  readonly bytes: Buffer;
  readonly stays: boolean;
  readonly isAdmitted: boolean;
}

/** As in `Listener.drain`. */
export interface DrainTimes {
  readonly timeoutMs: number;
  readonly graceMs: number;
}

/** What the process does at each message of the server. */
export interface RemoteHomeDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly onCatalogue: (endpoints: readonly CatalogueEndpoint[]) => void;
  readonly onDrain: (times: DrainTimes) => void;
  /** The link has ended: the server has ended or violated the protocol. */
  readonly onEnd: (why: string) => void;
}

/** `onChanged`: the route is no longer served, and nothing was queued. */
interface Entered {
  readonly route: CatalogueRoute;
  readonly settle: (outcome: InferenceOutcome) => void;
  readonly onChanged: () => void;
}

/** Numbers its calls; results may arrive in another order. */
export class RemoteHome implements Home<CatalogueRoute> {
  readonly #deps: RemoteHomeDeps;
  readonly #socket: Socket;
  readonly #writer: BatchedWriter;
  readonly #entered = new Map<number, Entered>();
  readonly #whole = new Map<number, (response: WholeResponse) => void>();
  #calls = 0;

  /** `socket`: connected, and introduced to the server. */
  constructor(socket: Socket, deps: RemoteHomeDeps) {
    this.#deps = deps;
    this.#socket = socket;
    this.#writer = new BatchedWriter(socket);
    const reader = new FrameReader((frame) => this.#take(frame));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#end(String(error));
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#end('the server has ended'));
  }

  /** `onChanged`: called instead of `settle` if the server no longer serves the route. Default: an error. */
  enter(
    route: CatalogueRoute,
    call: InferenceCall,
    settle: (outcome: InferenceOutcome) => void,
    onChanged: () => void = () => settle({ ok: false, error: changedError(route) }),
  ): () => void {
    const number = this.#next();
    this.#writer.write(enterFrame(number, route.route, call, this.#deps.clock.nowMs()));
    this.#entered.set(number, { route, settle, onChanged });
    return () => {
      if (this.#entered.delete(number)) this.#signal(number, linkKinds.cancel);
    };
  }

  /** Forwards a request unchanged. The returned function reports that its client has disconnected. */
  send(connection: number, parts: readonly Buffer[], onResponse: (response: WholeResponse) => void): () => void {
    const number = this.#next();
    this.#writer.write([bytesFrame(number, linkKinds.whole, connection, parts)]);
    this.#whole.set(number, onResponse);
    return () => {
      if (this.#whole.delete(number)) this.#signal(number, linkKinds.cancel);
    };
  }

  connected(connection: number, facts: object): void {
    this.#writer.write([messageFrame(connection, linkKinds.connected, facts)]);
  }

  disconnected(connection: number): void {
    this.#signal(connection, linkKinds.disconnected);
  }

  logError(fields: object, message: string): void {
    this.#writer.write([messageFrame(0, linkKinds.log, { fields, message })]);
  }

  #signal(call: number, kind: number): void {
    this.#writer.write([signalFrame(call, kind)]);
  }

  #next(): number {
    this.#calls = (this.#calls + 1) >>> 0;
    return this.#calls;
  }

  #take(frame: Frame): void {
    const { call, kind } = frame;
    switch (kind) {
      case linkKinds.left:
        return this.#settle(call, ({ route, settle }) => settle({ ok: true, result: readResult(frame, route.signature.outputs) }));
      case linkKinds.refused:
        return this.#settle(call, ({ settle }) => settle({ ok: false, error: readRefused(frame) }));
      case linkKinds.changed:
        return this.#settle(call, ({ onChanged }) => onChanged());
      case linkKinds.answered: {
        const onResponse = this.#whole.get(call);
        this.#whole.delete(call);
        const { plan } = frame;
        return onResponse?.({
          bytes: readBytes(frame).content,
          stays: (plan & flags.stays) !== 0,
          isAdmitted: (plan & flags.admitted) !== 0,
        });
      }
      case linkKinds.catalogue:
        return this.#deps.onCatalogue(frame.message as readonly CatalogueEndpoint[]);
      case linkKinds.drain:
        return this.#deps.onDrain(frame.message as DrainTimes);
      default:
        throw malformedFrame(`a gateway process expects no frame of kind ${kind}`);
    }
  }

  #settle(call: number, settle: (entered: Entered) => void): void {
    const entered = this.#entered.get(call);
    if (entered === undefined) return; // it was cancelled meanwhile
    this.#entered.delete(call);
    settle(entered);
  }

  #end(why: string): void {
    this.#socket.destroy();
    this.#deps.onEnd(why);
  }
}

function changedError({ endpoint }: CatalogueRoute): PlatformError {
  return new PlatformError('unavailable', `endpoint ${endpoint} has changed: send the request again`, { retryAfterMs: 1000 });
}
