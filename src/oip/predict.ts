/** `POST /v1/models/{m}:predict`, of KServe's first protocol: rows as JSON in, predictions out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeJson, type Invocation, predictionsJson, textOf } from '../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { comesInPieces, readBodyInto } from '../http/index.ts';
import { invokeParts, partsOf, type Route } from '../serving/index.ts';
import { giveBackBody } from '../spent-bytes.ts';
import { notServed, takesBytes } from './models.ts';
import type { OipServices } from './neighbours.ts';
import type { Place } from './places.ts';
import { sendError, sendText } from './replies.ts';
import { tellAccess, tellRefused } from './told.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

export class PredictDoor {
  readonly #services: OipServices;

  constructor(services: OipServices) {
    this.#services = services;
  }

  handle(exchange: Exchange, place: Place): void {
    const { request, response, requestId } = exchange;
    const { listener, access, serving, clock } = this.#services;
    let route: Route;
    let caller: ReturnType<typeof listener.authenticate> | null = null;
    try {
      caller = listener.authenticate(request);
      access.require(caller, 'invoke');
      route = serving.route(place.model);
      if (route.runtime !== 'onnx') throw takesBytes(route);
    } catch (thrown) {
      const error = notServed(thrown, this.#services, place);
      this.#services.traces?.refuse(requestId, asPlatformError(error));
      this.#fail(exchange, error);
      tellAccess(this.#services, { request, response, requestId, who: null }, 0);
      void tellRefused(this.#services, { request, requestId, place, caller }, asPlatformError(error));
      return;
    }
    const cameAtMs = comesInPieces(request) ? clock.nowMs() : undefined;
    readBodyInto(request, response, listener.bodies, (error, body) => {
      const arrivedAtMs = clock.nowMs();
      try {
        if (error !== null) throw error;
        this.#predict(exchange, route, body, arrivedAtMs);
      } catch (thrown) {
        // It got as far as a model, but not into its queue: it counts among those that failed.
        serving.reject(route, { requestId, rows: 0, arrivedAtMs, cameAtMs }, asPlatformError(thrown));
        this.#fail(exchange, thrown);
      }
    });
  }

  #predict(exchange: Exchange, route: Route, body: Buffer, arrivedAtMs: number): void {
    const { request, response, requestId } = exchange;
    const invocations: readonly Invocation[] = decodeJson(route.signature, textOf(body));
    const parts = partsOf(route, invocations);
    const seen = route.isWatched ? this.#services.calls.begin(route, requestId, null) : null;
    // It was text: nothing that came of it is a view of it.
    if (seen === null) giveBackBody(body);
    const texts: string[] = [];
    const cancel = invokeParts(
      this.#services.serving,
      route,
      parts,
      { requestId, arrivedAtMs },
      {
        take: (index, { outputs }, rows) => {
          seen?.part(index, parts[index]?.inputs ?? [], outputs, rows);
          texts[index] = predictionsJson(outputs, rows).slice(1, -1);
        },
        end: (error) => {
          if (error !== null) return this.#fail(exchange, error);
          const json = `{"predictions":[${texts.join(',')}]}`;
          sendText(request, response, requestId, 'application/json', json);
          seen?.end({ contentType: 'application/json', body }, { contentType: 'application/json', body: Buffer.from(json) });
        },
      },
    );
    if (response.destroyed) cancel();
    else {
      response.on('close', () => {
        if (!response.writableEnded) cancel();
      });
    }
  }

  #fail({ request, response, requestId }: Exchange, thrown: unknown): void {
    if (!(thrown instanceof PlatformError)) {
      const stack = thrown instanceof Error ? thrown.stack : undefined;
      this.#services.log.error({ requestId, url: request.url, stack }, `a prediction failed: ${messageOf(thrown)}`);
    }
    sendError(request, response, requestId, asPlatformError(thrown));
  }
}
