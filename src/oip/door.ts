/** Everything under /v2: which verb and path is which call, who may make it, and what it answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, Permission } from '../access/index.ts';
import { invalid, type JsonObject, parseObject, textOf } from '../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { readBody, requestIdOf } from '../http/index.ts';
import { modelConfig, modelMetadata, modelNames, modelStatistics, repositoryIndex } from './documents.ts';
import { InferDoor } from './infer.ts';
import { deployedAs, findModel } from './models.ts';
import type { OipServices } from './neighbours.ts';
import { allowedAt, type Kind, type Place, Places } from './places.ts';
import { sendError, sendJson } from './replies.ts';

const extensions = [
  'binary_tensor_data',
  'parameters',
  'statistics',
  'model_configuration',
  'model_repository',
  'schedule_policy',
  'classification',
];

const controlBodyBytes = 1024 * 1024;

/** Health is open to everybody. */
const permissions: Partial<Record<Kind, Permission | null>> = { live: null, 'server-ready': null, load: 'deploy', unload: 'deploy' };

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Serves the Open Inference Protocol's REST side; to be mounted with `listener.direct('/v2', door.handle)`. */
export class OipDoor {
  readonly #services: OipServices;
  readonly #places = new Places();
  readonly #infer: InferDoor;

  constructor(services: OipServices) {
    this.#services = services;
    this.#infer = new InferDoor(services);
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const place = this.#places.at(path);
    const requestId = requestIdOf(request);
    if (place.kind === 'infer' && request.method === 'POST') {
      this.#services.traces?.begin(requestId, request.headers.traceparent);
      this.#infer.handle(request, response, requestId, place);
    } else void this.#control(request, response, requestId, place);
  };

  async #control(request: IncomingMessage, response: ServerResponse, requestId: string, place: Place): Promise<void> {
    const { kind } = place;
    const allow = allowedAt(kind);
    const method = request.method ?? '';
    try {
      if (method === 'OPTIONS' && kind !== 'unknown') {
        response.writeHead(204, { allow, 'x-request-id': requestId }).end();
        return;
      }
      const caller = this.#admit(request, kind);
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
      const { status, body } = await this.#answer(request, place, requestId, caller);
      sendJson(request, response, requestId, status, body);
    } catch (thrown) {
      const error = asPlatformError(thrown);
      if (error.code === 'internal') {
        const stack = thrown instanceof Error ? thrown.stack : undefined;
        this.#services.log.error({ requestId, url: request.url, stack }, `a request failed: ${messageOf(thrown)}`);
      }
      sendError(request, response, requestId, error);
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

  async #answer(request: IncomingMessage, place: Place, requestId: string, caller: Caller | null): Promise<Answer> {
    const { serving, deployed, version } = this.#services;
    switch (place.kind) {
      case 'server':
        return ok({ name: 'penstock', version, extensions });
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
        return ok({ model_stats: this.#statistics(place) });
      case 'all-statistics':
        return ok({ model_stats: serving.endpoints().flatMap(({ name }) => this.#statistics({ model: name, version: undefined })) });
      case 'index':
        return ok(repositoryIndex(deployed(), (await readControlBody(request))['ready'] === true));
      default:
        return this.#changeRepository(request, place, caller?.keyId ?? 'anonymous');
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
    try {
      const { view, variants } = findModel(this.#services, place);
      const isReady =
        place.version === undefined
          ? view.isReady
          : view.reason !== 'unloaded' && variants.every(({ executors, functions }) => executors.length > 0 || functions !== null);
      if (isReady) return ok({ name: view.name, ready: true });
      throw new PlatformError('unavailable', `model '${view.name}' is not ready: ${view.reason ?? 'no worker is ready'}`);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'unavailable') throw error;
      return { status: 503, body: { name: place.model, ready: false, error: error.message, code: error.code, request_id: requestId } };
    }
  }

  #statistics(asked: Pick<Place, 'model' | 'version'>): unknown[] {
    const model = findModel(this.#services, asked);
    return modelStatistics(model, deployedAs(this.#services, model.view.name));
  }

  async #changeRepository(request: IncomingMessage, { kind, model }: Place, who: string): Promise<Answer> {
    const { parameters } = await readControlBody(request);
    if (deployedAs(this.#services, model) === undefined) {
      throw new PlatformError('not_found', `model '${model}' is not known; POST /v2/repository/index lists those that are`);
    }
    if (kind === 'unload') {
      await this.#services.unload(model, who);
      return ok({ name: model, unload: true });
    }
    const keys = Object.keys(parameters ?? {});
    if (keys.some((key) => key === 'config' || key.startsWith('file:'))) {
      throw invalid(
        `a model's files and configuration cannot be replaced while loading (${keys.join(', ')})`,
        'register a new model version and update the endpoint to it',
      );
    }
    await this.#services.load(model, who);
    return ok({ name: model, load: true });
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** Empty bodies are allowed. */
async function readControlBody(request: IncomingMessage): Promise<JsonObject> {
  const body = await readBody(request, { limitBytes: controlBodyBytes });
  return body.length === 0 ? {} : parseObject(textOf(body));
}
