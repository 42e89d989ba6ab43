/** Fastify setup of the control plane: zod validation and types, error bodies, and common response headers. */

import type { Server, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  isResponseSerializationError,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkJsonCost, documentLimits } from '../codecs/index.ts';
import { isLoopback } from '../config.ts';
import { errorBody, errorHeaders, httpStatusOf, requestIdOf } from '../connections/index.ts';
import { type ErrorCode, messageOf, PlatformError } from '../errors.ts';
import type { AccessLine, Log } from '../logs/index.ts';
import { accessFields, callerOf, isRejectedOnEntry } from './access-log.ts';
import type { BodyLimits } from './bodies/body-budget.ts';
import { clientClosedRequest, isBrokenOff } from './bodies/client-gone.ts';
import { readRawBodyInto } from './bodies/read-body.ts';
import { formatProblem } from './format-problem.ts';
import { respond } from './respond.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Inference requests are written to the request log instead of the access log. */
    readonly isInference?: boolean;
  }

  interface FastifyRequest {
    /** For body readers: their memory is released with the response. */
    response: ServerResponse;
  }
}

/** Errors of inference requests that never reached a model: they have a line only in the access log. */
const rejectedOnEntry: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'not_found'];

/** A scope for registering routes with zod schemas. */
export type HttpScope = FastifyInstance<
  Server,
  RawRequestDefaultExpression<Server>,
  RawReplyDefaultExpression<Server>,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** A handler of node:http, as the listener calls it. */
export type RequestHandler = (request: RawRequestDefaultExpression<Server>, response: RawReplyDefaultExpression<Server>) => void;

/**
 * Given to fastify when it is created: otherwise it loads its own compilers, which take 5 % of the start, before it could get ours.
 * Its types know only compilers of the Ajv library.
 */
const ownCompilers = { buildValidator: () => validatorCompiler, buildSerializer: () => serializerCompiler } as unknown as NonNullable<
  NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']
>;

/** `attach` receives fastify's request handler and returns the server that will call it. */
export function createControlPlane(options: {
  readonly bodies: BodyLimits;
  /** Whether HSTS may be sent. */
  readonly isHstsAllowed: boolean;
  readonly log: Log;
  readonly writeAccess: (line: Omit<AccessLine, 'atMs'>) => void;
  readonly attach: (handler: RequestHandler) => Server;
  readonly onClientError: (error: Error, socket: import('node:net').Socket) => void;
}): HttpScope {
  const app = fastify({
    serverFactory: options.attach,
    clientErrorHandler: options.onClientError,
    bodyLimit: options.bodies.limitBytes,
    routerOptions: { maxParamLength: 1024 },
    genReqId: requestIdOf,
    logger: false,
    schemaController: { compilersFactory: ownCompilers },
  });
  readBodies(app, options.bodies);
  app.addHook('onRequest', (request, reply, done) => {
    request.response = reply.raw;
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    if (options.isHstsAllowed && isPublicName(request.headers.host)) reply.header('strict-transport-security', hsts);
    done();
  });
  const logAccess = (request: FastifyRequest, status: number, ms: number): void =>
    options.writeAccess({ ...accessFields(request.raw), requestId: request.id, protocol: 'api', status, ms, who: callerOf(request.raw) });
  const logResponse = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    logAccess(request, reply.statusCode, reply.elapsedTime);
    done();
  };
  const allowedMethods = new AllowedMethods();
  // The catch-all page does not define the methods of a path.
  app.addHook('onRoute', (route) => {
    const { method, url, config } = route;
    if (url !== '/*') allowedMethods.add(url, method);
    // Logged by a hook per route, so that inference routes have no such hook.
    if (config?.isInference !== true) route.onResponse = [logResponse, ...[route.onResponse ?? []].flat()];
  });
  const notFound = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = request.url.slice(0, 200);
    const allowed = allowedMethods.at(request.url);
    if (allowed.length > 0 && !allowed.includes(request.method)) {
      reply.header('allow', allowed.join(', '));
      logAccess(request, 405, 0);
      const error = new PlatformError('unsupported', `method ${request.method} is not allowed for ${path}: expected ${allowed.join(', ')}`);
      return sendError({ error, status: 405 }, request, reply);
    }
    logAccess(request, 404, 0);
    return sendError({ error: new PlatformError('not_found', `unknown route: ${request.method} ${path}`), status: 404 }, request, reply);
  };
  app.setNotFoundHandler(notFound);
  app.setErrorHandler((thrown, request, reply) => {
    if (isBrokenOff(request.raw)) {
      // No response is sent, so the onResponse hook does not run.
      if (request.routeOptions.config.isInference !== true) logAccess(request, clientClosedRequest, reply.elapsedTime);
      return reply.hijack();
    }
    // An invalid body on an unknown route is still an unknown route.
    if (request.is404 && !(thrown instanceof PlatformError)) return notFound(request, reply);
    const refusal = toPlatformError(thrown, request, options.log);
    const { isInference = false } = request.routeOptions.config;
    if (isInference && (rejectedOnEntry.includes(refusal.error.code) || isRejectedOnEntry(request.raw)))
      logAccess(request, refusal.status, 0);
    return sendError(refusal, request, reply);
  });
  return app.withTypeProvider<ZodTypeProvider>();
}

const hsts = `max-age=${365 * 24 * 60 * 60}`;

/** Browsers ignore HSTS for IP addresses, and for localhost it would affect every other program on this machine. */
function isPublicName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').toLowerCase();
  return name.includes('.') && !isLoopback(name) && !name.endsWith('.localhost') && isIP(name) === 0;
}

/** Larger than any control call; parsing this much blocks the event loop for about 10 ms. */
const documentBytesMax = 4 * 2 ** 20;

/** Reads bodies like fastify, but within the shared memory budget. */
function readBodies(app: HttpScope, bodies: BodyLimits): void {
  app.decorateRequest('response');
  const documents = { ...bodies, limitBytes: Math.min(bodies.limitBytes, documentBytesMax) };
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', (request, _payload, parsed) => {
    readRawBodyInto(request.raw, request.response, documents, (error, body) => {
      if (error !== null) return parsed(error);
      const text = body.toString('utf8');
      try {
        checkJsonCost(text, documentLimits);
      } catch (refusal) {
        return parsed(refusal as Error);
      }
      void parseJson(request, text, parsed);
    });
  });
  app.addContentTypeParser('text/plain', (request, _payload, parsed) => {
    readRawBodyInto(request.raw, request.response, documents, (error, body) => parsed(error, body.toString('utf8')));
  });
}

interface Refusal {
  readonly error: PlatformError;
  readonly status: number;
}

function sendError({ error, status }: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = Buffer.from(errorBody(error, request.id));
  reply.headers({ ...errorHeaders(error), 'content-type': 'application/json' });
  if (request.raw.complete) return reply.code(status).send(body);
  // Fastify would leave the rest of an upload unread, so the client would block on sending and never read the response.
  reply.hijack();
  const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
  respond(request.raw, reply.raw, status, headers, body);
  return reply;
}

/** Maps errors of handlers, zod and Fastify to error codes and statuses. */
function toPlatformError(thrown: unknown, request: FastifyRequest, log: Log): Refusal {
  if (thrown instanceof PlatformError) {
    if (thrown.code === 'internal') logFailure(thrown, request, log);
    return { error: thrown, status: httpStatusOf(thrown) };
  }
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const { validationContext } = thrown;
    const provided = validationContext === 'querystring' ? request.query : validationContext === 'params' ? request.params : request.body;
    const known = namesOf(request.routeOptions.schema?.[validationContext as 'body' | 'params' | 'querystring']);
    const problems = thrown.validation.map((problem) => {
      const place = problem.instancePath.slice(1).replaceAll('/', '.');
      return `${place === '' ? validationContext : place}: ${formatProblem(problem, provided, known)}`;
    });
    return { error: new PlatformError('invalid_request', problems.join('; ')), status: 400 };
  }
  const { statusCode = 500, message } = thrown as Partial<FastifyError>;
  if (statusCode < 500 && !isResponseSerializationError(thrown)) {
    const code = statusCode === 413 ? 'too_large' : statusCode === 415 ? 'unsupported' : 'invalid_request';
    return { error: new PlatformError(code, message ?? 'invalid request'), status: statusCode };
  }
  logFailure(thrown, request, log);
  return { error: new PlatformError('internal', `internal error: see the server log for request ${request.id}`), status: 500 };
}

/** The member names of an object schema; null for other schemas. */
function namesOf(schema: unknown): readonly string[] | null {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : null;
}

function logFailure(thrown: unknown, request: FastifyRequest, log: Log): void {
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  log.error({ requestId: request.id, method: request.method, url: request.url, stack }, `a request failed: ${messageOf(thrown)}`);
}

/** The methods allowed for each path, to distinguish a wrong method (405) from an unknown path (404). */

interface RoutePattern {
  /** `['groups', ':group']`; `*` matches the rest of the path. */
  readonly parts: readonly string[];
  readonly methods: Set<string>;
}

/** Answers 405 with `Allow` for a path that exists with other methods only. */
export class AllowedMethods {
  readonly #patterns = new Map<string, RoutePattern>();

  /** `url` in route syntax: `/groups/:group`, `/docs/*`. */
  add(url: string, methods: string | readonly string[]): void {
    const pattern = this.#patterns.get(url) ?? { parts: url.split('/'), methods: new Set() };
    this.#patterns.set(url, pattern);
    for (const method of [methods].flat()) pattern.methods.add(method);
  }

  /** Sorted; empty for an unknown path. */
  at(url: string): readonly string[] {
    const [path = ''] = url.split('?', 1);
    const segments = path.split('/');
    const methods = [...this.#patterns.values()].filter(({ parts }) => matches(parts, segments)).flatMap((pattern) => [...pattern.methods]);
    return [...new Set(methods)].sort();
  }
}

function matches(parts: readonly string[], segments: readonly string[]): boolean {
  const rest = parts.indexOf('*');
  if (rest === -1 ? segments.length !== parts.length : segments.length <= rest) return false;
  return parts
    .slice(0, rest === -1 ? parts.length : rest)
    .every((part, at) => (part.startsWith(':') ? segments[at] !== '' : part === segments[at]));
}
