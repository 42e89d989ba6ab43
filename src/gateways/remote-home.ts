/** The home of the server, as a gateway process sees it: calls go over the link, and results come back. */
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { CallTable, type Frame, FrameReader, malformedFrame, messageFrame } from '../runtime/index.ts';
import type { Home, InferenceCall, InferenceOutcome } from '../serving/index.ts';
import { BatchedWriter } from './batched-writer.ts';
import type { CatalogueEndpoint, CatalogueRoute } from './catalogue.ts';
import { againFrame, bytesFrame, enterFrame, flags, linkKinds, readBytes, readRefused, readResult, signalFrame } from './link-frames.ts';

/** The response to a forwarded request. */
export interface WholeResponse {
  /** Status line, headers and body. */
  readonly bytes: Buffer;
  readonly stays: boolean;
  readonly isAdmitted: boolean;
}

/** A request as it was received; `elapsedMs`: since its arrival if it waited for a home, else null. */
export interface SentRequest {
  readonly connection: number;
  readonly bytes: Buffer;
  readonly elapsedMs: number | null;
}

/** What the process does at each message of the server. */
export interface RemoteHomeDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly onCatalogue: (endpoints: readonly CatalogueEndpoint[]) => void;
  /** The server gives its place to another one, and wants nothing new. */
  readonly onLeave: () => void;
  /** The link has ended: the server has ended or violated the protocol. What was under way is passed back after this. */
  readonly onEnd: (why: string) => void;
}

/** `onChanged`: the route is no longer served and nothing was queued, or the link has ended. */
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
  readonly #entered = new CallTable<Entered>();
  readonly #whole = new CallTable<(response: WholeResponse | null) => void>();
  #calls = 0;
  #hasEnded = false;

  /** `socket`: connected, and introduced to the server. */
  constructor(socket: Socket, deps: RemoteHomeDeps) {
    this.#deps = deps;
    this.#socket = socket;
    this.#writer = new BatchedWriter(socket);
    const reader = new FrameReader((frame) => this.#take(frame));
    socket.on('data', (chunk: Buffer) => {
      // The rest of what a closed link had received must not reach clients, whose requests are on another link by now.
      if (this.#hasEnded) return;
      try {
        reader.push(chunk);
      } catch (error) {
        this.close(String(error));
      }
    });
    socket.on('error', () => undefined);
    for (const event of ['end', 'close'] as const) socket.on(event, () => this.close('the server has ended'));
  }

  /** `onChanged`: called instead of `settle` if the server no longer serves the route, or has ended. Default: an error. */
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
      if (this.#entered.take(number) !== undefined) this.#signal(number, linkKinds.cancel);
    };
  }

  /** Forwards a request unchanged. `onResponse` gets null if the link ends first. The returned function reports that its client has disconnected. */
  send({ connection, bytes, elapsedMs }: SentRequest, onResponse: (response: WholeResponse | null) => void): () => void {
    const number = this.#next();
    this.#writer.write([
      elapsedMs === null ? bytesFrame(number, linkKinds.whole, connection, [bytes]) : againFrame(number, connection, bytes, elapsedMs),
    ]);
    this.#whole.set(number, onResponse);
    return () => {
      if (this.#whole.take(number) !== undefined) this.#signal(number, linkKinds.cancel);
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

  /** Sends no more requests. The server answers what it has, and ends the link. */
  leave(): void {
    this.#signal(0, linkKinds.leave);
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
        const onResponse = this.#whole.take(call);
        const { plan } = frame;
        return onResponse?.({
          bytes: readBytes(frame).content,
          stays: (plan & flags.stays) !== 0,
          isAdmitted: (plan & flags.admitted) !== 0,
        });
      }
      case linkKinds.catalogue:
        return this.#deps.onCatalogue(frame.message as readonly CatalogueEndpoint[]);
      case linkKinds.leave:
        this.#deps.onLeave();
        return this.#signal(0, linkKinds.leave); // the last frame
      case linkKinds.beat:
        // Older servers number none, and know no echo.
        if (call !== 0) this.#signal(call, linkKinds.echo);
        return;
      default:
        throw malformedFrame(`a gateway process expects no frame of kind ${kind}`);
    }
  }

  #settle(call: number, settle: (entered: Entered) => void): void {
    const entered = this.#entered.take(call);
    if (entered === undefined) return; // it was cancelled meanwhile
    settle(entered);
  }

  /** Ends the link. Calls and requests under way are passed back: `onChanged`, and null in place of a response. */
  close(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.destroy();
    this.#deps.onEnd(why);
    const next = this.#calls + 1;
    const [entered, whole] = [this.#entered.takeAll(next), this.#whole.takeAll(next)];
    for (const { onChanged } of entered) onChanged();
    for (const onResponse of whole) onResponse(null);
  }
}

function changedError({ endpoint }: CatalogueRoute): PlatformError {
  return new PlatformError('unavailable', `endpoint ${endpoint} has changed: send the request again`, { retryAfterMs: 1000 });
}
