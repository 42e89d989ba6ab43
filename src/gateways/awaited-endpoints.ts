/**
 * Requests for endpoints that come back into service after a change of the home: they wait for it, in place of being rejected. Their number
 * and time are bounded by the gateway processes.
 */
import type { Clock } from '../clock.ts';
import { nameKey } from '../names.ts';

/** Which endpoints are not in service yet. */
export interface Awaiting {
  isAwaited(endpoint: string): boolean;
  /** Ready if none is awaited. */
  readonly state: { readonly ready: boolean };
  onChange(listener: () => void): void;
}

interface Waiting {
  readonly endpoint: string;
  readonly serve: () => void;
}

/** Calls of a model: of both open protocols, of the native API, and of AWS. */
const path =
  /^\/(?:v[12]\/models\/([^/:?]+)|(?:api\/v1\/)?endpoints\/([^/?]+)\/(?:invoke|invocations|invocations-response-stream)(?:\?|$))/;

/** A request that waits longer gets the answer of an endpoint that is not in service. */
const waitMsMax = 60_000;

export class AwaitedEndpoints {
  readonly #awaiting: Awaiting;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #onSettled = (): void => undefined;

  constructor(awaiting: Awaiting, clock: Clock) {
    this.#awaiting = awaiting;
    this.#clock = clock;
    awaiting.onChange(() => this.#goOn());
  }

  /** Whether a request with this path would wait. */
  awaits(url: string): boolean {
    return this.awaitsEndpoint(endpointIn(url));
  }

  awaitsEndpoint(name: string): boolean {
    return this.#awaiting.isAwaited(nameKey(name));
  }

  /** Serves the request now, or once its endpoint is in service. The returned function reports that its client has disconnected. */
  serve(url: string, serve: () => () => void): () => void {
    return this.serveBy(endpointIn(url), serve);
  }

  /** As `serve`, of an endpoint by its name. */
  serveBy(name: string, serve: () => () => void): () => void {
    const endpoint = nameKey(name);
    if (!this.#awaiting.isAwaited(endpoint)) return serve();
    let leave = (): void => void this.#waiting.delete(waiting);
    const cancel = this.#clock.after(waitMsMax, () => waiting.serve());
    const waiting: Waiting = {
      endpoint,
      serve: () => {
        cancel();
        this.#waiting.delete(waiting);
        leave = serve();
      },
    };
    this.#waiting.add(waiting);
    return () => {
      cancel();
      leave();
    };
  }

  /** Resolves when no endpoint is awaited, or after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    if (this.#awaiting.state.ready) return;
    const settled = Promise.withResolvers<void>();
    this.#onSettled = settled.resolve;
    const cancel = this.#clock.after(timeoutMs, settled.resolve);
    await settled.promise;
    cancel();
  }

  /** The links have ended: no request needs an answer. */
  close(): void {
    this.#waiting.clear();
  }

  #goOn(): void {
    if (this.#awaiting.state.ready) this.#onSettled();
    for (const waiting of this.#waiting) if (!this.#awaiting.isAwaited(waiting.endpoint)) waiting.serve();
  }
}

function endpointIn(url: string): string {
  const [, model, endpoint] = path.exec(url) ?? [];
  return model ?? endpoint ?? '';
}
