/** Everything under /v2: which verb and path is which call, who may make it, and what it answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, Permission } from '../access/index.ts';
import { type JsonObject, parseObject, textOf } from '../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { readBody, requestIdOf } from '../http/index.ts';
import { allStatistics, modelConfig, modelMetadata, modelNames, repositoryIndex, serverMetadata, statisticsOf } from './documents.ts';
import { InferDoor } from './infer.ts';
import { findModel, modelReadiness } from './models.ts';
import type { OipServices } from './neighbours.ts';
import { allowedAt, inferring, type Kind, type Place, Places } from './places.ts';
import { PredictDoor } from './predict.ts';
import { sendError, sendJson } from './replies.ts';
import { changeRepository } from './repository.ts';
import { tellAccess, tellRefused } from './told.ts';

const controlBodyBytes = 1024 * 1024;

/** Health is open to everybody. */
const permissions: Partial<Record<Kind, Permission | null>> = { live: null, 'server-ready': null, load: 'deploy', unload: 'deploy' };

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Serves the Open Inference Protocol's REST side; to be mounted with `listener.direct('/v2', door.handle)`, and the first protocol's at `/v1`. */
export class OipDoor {
  readonly #services: OipServices;
  readonly #places = new Places();
  readonly #infer: InferDoor;
  readonly #predict: PredictDoor;

  constructor(services: OipServices) {
    this.#services = services;
    this.#infer = new InferDoor(services);
    this.#predict = new PredictDoor(services);
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const place = this.#places.at(path);
    const requestId = requestIdOf(request);
    if (inferring.includes(place.kind) && request.method === 'POST') {
      this.#services.traces?.begin(requestId, request.headers);
      this.#infer.handle(request, response, requestId, place);
    } else if (place.kind === 'predict' && request.method === 'POST') {
      this.#services.traces?.begin(requestId, request.headers);
      this.#predict.handle({ request, response, requestId }, place);
    } else void this.#control(request, response, requestId, place);
  };

  async #control(request: IncomingMessage, response: ServerResponse, requestId: string, place: Place): Promise<void> {
    const { kind } = place;
    const allow = allowedAt(kind);
    const method = request.method ?? '';
    const { clock } = this.#services;
    const cameAtMs = clock.nowMs();
    let caller: Caller | null = null;
    try {
      if (method === 'OPTIONS' && kind !== 'unknown') {
        response.writeHead(204, { allow, 'x-request-id': requestId }).end();
        return;
      }
      caller = this.#admit(request, kind);
      if (kind === 'unknown') throw new PlatformError('not_found', 'Not Found');
      if (kind === 'unserved') throw new PlatformError('unsupported', `${place.path} is not supported by this server`);
      if (!allow.split(', ').includes(method)) {
        const refusal = new PlatformError('unsupported', 'Method Not Allowed', { hint: `${place.path} takes ${allow}` });
        sendError(request, response, requestId, refusal, {
          status: 405,
          headers: { allow },
        });
        return;
      }
      const { status, body } = await this.#answer(request, response, place, requestId, caller);
      sendJson(request, response, requestId, status, body);
    } catch (thrown) {
      const error = asPlatformError(thrown);
      if (error.code === 'internal') {
        const stack = thrown instanceof Error ? thrown.stack : undefined;
        this.#services.log.error({ requestId, url: request.url, stack }, `a request failed: ${messageOf(thrown)}`);
      }
      await tellRefused(this.#services, { request, requestId, place, caller }, error);
      sendError(request, response, requestId, error);
    } finally {
      // Probes come every few seconds: only those that find it ill are told of.
      const isProbe = permissions[kind] === null && response.statusCode < 400;
      if (!isProbe) tellAccess(this.#services, { request, response, requestId, who: caller?.keyId ?? null }, clock.nowMs() - cameAtMs);
    }
  }

  /** The caller, once it is clear that it may do this; null where anybody may. */
  #admit(request: IncomingMessage, kind: Kind): Caller | null {
    const permission = permissions[kind] === undefined ? 'read' : permissions[kind];
    if (permission === null) return null;
    const caller = this.#services.listener.authenticate(request);
    this.#services.access.require(caller, permission);
    return caller;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    place: Place,
    requestId: string,
    caller: Caller | null,
  ): Promise<Answer> {
    const { serving, deployed, version } = this.#services;
    switch (place.kind) {
      case 'server':
        return ok(serverMetadata(version));
      case 'live':
      case 'server-ready':
        return this.#health(place.kind, requestId);
      case 'models':
        return ok({ models: modelNames(serving.endpoints()) });
      case 'model':
        return ok(modelMetadata(findModel(this.#services, place)));
      case 'model-ready':
        return this.#modelReady(place, requestId);
      case 'config':
        return ok(modelConfig(findModel(this.#services, place)));
      case 'statistics':
        return ok({ model_stats: statisticsOf(this.#services, place) });
      case 'all-statistics':
        return ok({ model_stats: allStatistics(this.#services) });
      case 'index':
        return ok(repositoryIndex(deployed(), (await this.#readBody(request, response))['ready'] === true));
      default:
        return this.#changeRepository(await this.#readBody(request, response), place, caller?.keyId ?? 'anonymous');
    }
  }

  #health(kind: 'live' | 'server-ready', requestId: string): Answer {
    const { live, ready, reason } = this.#services.health();
    const isWell = kind === 'live' ? live : ready;
    if (isWell) return ok(kind === 'live' ? { live: true } : { live: true, ready: true });
    const refusal = { error: reason ?? 'the server is not ready', code: 'unavailable', request_id: requestId };
    return { status: 503, body: kind === 'live' ? { live: false, ...refusal } : { live, ready: false, ...refusal } };
  }

  #modelReady(place: Place, requestId: string): Answer {
    const { name, refusal } = modelReadiness(this.#services, place);
    if (refusal === null) return ok({ name, ready: true });
    return { status: 503, body: { name, ready: false, error: refusal.message, code: refusal.code, request_id: requestId } };
  }

  async #changeRepository({ parameters }: JsonObject, { kind, model }: Place, who: string): Promise<Answer> {
    await changeRepository(this.#services, kind === 'load' ? 'load' : 'unload', model, Object.keys(parameters ?? {}), who);
    return ok({ name: model, [kind]: true });
  }

  /** Empty bodies are allowed. */
  async #readBody(request: IncomingMessage, response: ServerResponse): Promise<JsonObject> {
    const body = await readBody(request, response, { ...this.#services.listener.bodies, limitBytes: controlBodyBytes });
    return body.length === 0 ? {} : parseObject(textOf(body));
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}
