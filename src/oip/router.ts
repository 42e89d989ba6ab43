/** Routes /v2 and /v1: maps method and path to a call, checks its permission, and answers it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Caller, permissionFor } from '../access/index.ts';
import { type JsonObject, parseObject, textOf } from '../codecs/index.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import { readRequestBody, requestIdOf } from '../http/index.ts';
import { auditRejection, logAccess } from './access-log.ts';
import type { OipDeps } from './deps.ts';
import { allStatistics, modelConfig, modelMetadata, modelNames, modelStatisticsOf, repositoryIndex, serverMetadata } from './documents.ts';
import { InferHandler } from './infer.ts';
import { findModel, modelReadiness } from './models.ts';
import { allowedMethods, inferenceOperations, type OipOperation, type ParsedPath, PathCache, restOperations } from './paths.ts';
import { predict } from './predict.ts';
import { sendError, sendJson } from './replies.ts';
import { changeRepository } from './repository.ts';

const controlBodyBytes = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** The REST side of the Open Inference Protocol. Mount with `listener.direct('/v2', router.handle)`, and at `/v1` for KServe's first protocol. */
export class OipRouter {
  readonly #services: OipDeps;
  readonly #paths = new PathCache();
  readonly #infer: InferHandler;

  constructor(services: OipDeps) {
    this.#services = services;
    this.#infer = new InferHandler(services);
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse, path: string): void => {
    const position = this.#paths.at(path);
    const requestId = requestIdOf(request);
    if (inferenceOperations.includes(position.kind) && request.method === 'POST') {
      this.#beginTrace(request, response, requestId);
      this.#infer.handle({ request, response, requestId, position });
    } else if (position.kind === 'predict' && request.method === 'POST') {
      this.#beginTrace(request, response, requestId);
      predict(this.#services, { request, response, requestId, position });
    } else void this.#control(request, response, requestId, position);
  };

  #beginTrace(request: IncomingMessage, response: ServerResponse, requestId: string): void {
    const { traces = null } = this.#services;
    if (traces === null || traces.begin(requestId, request.headers) === null) return;
    // A request that never becomes complete has no line in the request log, which would end its trace.
    response.once('close', () => {
      if (!request.complete)
        traces.refuse(requestId, { code: 'invalid_request', message: 'the client disconnected before its request was complete' });
    });
  }

  async #control(request: IncomingMessage, response: ServerResponse, requestId: string, position: ParsedPath): Promise<void> {
    const { kind } = position;
    const allow = allowedMethods(kind);
    const method = request.method ?? '';
    const { clock } = this.#services;
    const startedAtMs = clock.nowMs();
    let caller: Caller | null = null;
    try {
      if (method === 'OPTIONS' && kind !== 'unknown') {
        response.writeHead(204, { allow, 'x-request-id': requestId }).end();
        return;
      }
      caller = this.#admit(request, kind);
      if (kind === 'unknown') throw new PlatformError('not_found', 'Not Found');
      if (kind === 'unserved') throw new PlatformError('unsupported', `${position.path} is not supported by this server`);
      if (!allow.split(', ').includes(method)) {
        const refusal = new PlatformError('unsupported', 'Method Not Allowed', { hint: `${position.path} accepts ${allow}` });
        sendError(request, response, requestId, refusal, {
          status: 405,
          headers: { allow },
        });
        return;
      }
      const { status, body } = await this.#answer(request, response, position, requestId, caller);
      sendJson(request, response, requestId, status, body);
    } catch (thrown) {
      const error = asPlatformError(thrown);
      if (error.code === 'internal') {
        const stack = thrown instanceof Error ? thrown.stack : undefined;
        this.#services.log.error({ requestId, url: request.url, stack }, `a request failed: ${messageOf(thrown)}`);
      }
      await auditRejection(this.#services, { request, requestId, position, caller }, error);
      sendError(request, response, requestId, error);
    } finally {
      // Probes arrive every few seconds: only failing ones are logged.
      const isProbe = restOperations[kind].action === null && response.statusCode < 400;
      if (!isProbe) logAccess(this.#services, { request, response, requestId, who: caller?.keyId ?? null }, clock.nowMs() - startedAtMs);
    }
  }

  /** The authorized caller; null if the call requires no permission. */
  #admit(request: IncomingMessage, kind: OipOperation): Caller | null {
    const { action } = restOperations[kind];
    if (action === null) return null;
    const caller = this.#services.listener.authenticate(request);
    this.#services.access.require(caller, permissionFor(action));
    return caller;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    position: ParsedPath,
    requestId: string,
    caller: Caller | null,
  ): Promise<Answer> {
    const { serving, deployed, version } = this.#services;
    switch (position.kind) {
      case 'server':
        return ok(serverMetadata(version));
      case 'live':
      case 'server-ready':
        return this.#health(position.kind, requestId);
      case 'models':
        return ok({ models: modelNames(serving.endpoints()) });
      case 'model':
        return ok(modelMetadata(findModel(this.#services, position)));
      case 'model-ready':
        return this.#modelReady(position, requestId);
      case 'config':
        return ok(modelConfig(findModel(this.#services, position)));
      case 'statistics':
        return ok({ model_stats: modelStatisticsOf(this.#services, position) });
      case 'all-statistics':
        return ok({ model_stats: allStatistics(this.#services) });
      case 'index':
        return ok(repositoryIndex(deployed(), (await this.#readBody(request, response))['ready'] === true));
      default:
        return this.#changeRepository(await this.#readBody(request, response), position, caller?.keyId ?? 'anonymous');
    }
  }

  #health(kind: 'live' | 'server-ready', requestId: string): Answer {
    const { live, ready, reason } = this.#services.health();
    const isWell = kind === 'live' ? live : ready;
    if (isWell) return ok(kind === 'live' ? { live: true } : { live: true, ready: true });
    const refusal = { error: reason ?? 'the server is not ready', code: 'unavailable', request_id: requestId };
    return { status: 503, body: kind === 'live' ? { live: false, ...refusal } : { live, ready: false, ...refusal } };
  }

  #modelReady(position: ParsedPath, requestId: string): Answer {
    const { name, refusal } = modelReadiness(this.#services, position);
    if (refusal === null) return ok({ name, ready: true });
    return { status: 503, body: { name, ready: false, error: refusal.message, code: refusal.code, request_id: requestId } };
  }

  async #changeRepository({ parameters }: JsonObject, { kind, model }: ParsedPath, who: string): Promise<Answer> {
    await changeRepository(this.#services, kind === 'load' ? 'load' : 'unload', model, Object.keys(parameters ?? {}), who);
    return ok({ name: model, [kind]: true });
  }

  /** Empty bodies are allowed. */
  async #readBody(request: IncomingMessage, response: ServerResponse): Promise<JsonObject> {
    const body = await readRequestBody(request, response, { ...this.#services.listener.bodies, limitBytes: controlBodyBytes });
    return body.length === 0 ? {} : parseObject(textOf(body));
  }
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}
