/** Fastify as the control plane sees it: zod for checks and types, our error bodies, and the headers every answer bears. */
import type { Server, ServerResponse } from 'node:http';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
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
import { type ErrorCode, messageOf, PlatformError } from '../errors.ts';
import type { AccessLine, Log } from '../monitoring/index.ts';
import { answer } from './answer.ts';
import type { BodyLimits } from './body-budget.ts';
import { errorBody, errorHeaders, httpStatus } from './errors.ts';
import { problemWords } from './problem-words.ts';
import { readRawBodyInto } from './read-body.ts';
import { requestIdOf } from './request-id.ts';
import { accessFields, callerTold } from './told-access.ts';
import { Verbs } from './verbs.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its requests have a log of their own. */
    readonly isInference?: boolean;
  }

  interface FastifyRequest {
    /** For whoever reads the body: what that takes is given back with the answer. */
    response: ServerResponse;
  }
}

/** Of an inference request that got no further than the door: no line tells of it but one of the access log. */
const atTheDoor: readonly ErrorCode[] = ['unauthenticated', 'forbidden', 'not_found'];

/** A scope in which routes are registered; schemas are zod's. */
export type HttpScope = FastifyInstance<
  Server,
  RawRequestDefaultExpression<Server>,
  RawReplyDefaultExpression<Server>,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export type RequestHandler = (request: RawRequestDefaultExpression<Server>, response: RawReplyDefaultExpression<Server>) => void;

/** `attach` is handed fastify's request handler and answers the server that will call it. */
export function createControlPlane(options: {
  readonly bodies: BodyLimits;
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
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  readBodies(app, options.bodies);
  app.addHook('onRequest', (request, reply, done) => {
    request.response = reply.raw;
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    done();
  });
  const tell = (request: FastifyRequest, status: number, ms: number): void =>
    options.writeAccess({ ...accessFields(request.raw), requestId: request.id, door: 'api', status, ms, who: callerTold(request.raw) });
  const tellAnswered = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    tell(request, reply.statusCode, reply.elapsedTime);
    done();
  };
  const verbs = new Verbs();
  // A page for any address says nothing about which verbs an address takes.
  app.addHook('onRoute', (route) => {
    const { method, url, config } = route;
    if (url !== '/*') verbs.learn(url, method);
    // Told of by a hook of each route, so that inference requests have none.
    if (config?.isInference !== true) route.onResponse = [tellAnswered, ...[route.onResponse ?? []].flat()];
  });
  app.setErrorHandler((thrown, request, reply) => {
    const refusal = toPlatformError(thrown, request, options.log);
    const { isInference = false } = request.routeOptions.config;
    if (isInference && atTheDoor.includes(refusal.error.code)) tell(request, refusal.status, 0);
    return sendError(refusal, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.slice(0, 200);
    const allowed = verbs.at(request.url);
    if (allowed.length > 0 && !allowed.includes(request.method)) {
      reply.header('allow', allowed.join(', '));
      tell(request, 405, 0);
      const error = new PlatformError('unsupported', `${request.method} is not for ${path}: it takes ${allowed.join(', ')}`);
      return sendError({ error, status: 405 }, request, reply);
    }
    tell(request, 404, 0);
    return sendError({ error: new PlatformError('not_found', `${request.method} ${path} is not known here`), status: 404 }, request, reply);
  });
  return app.withTypeProvider<ZodTypeProvider>();
}

/** As fastify reads them by itself, but within the budget that all doors share. */
function readBodies(app: HttpScope, bodies: BodyLimits): void {
  app.decorateRequest('response');
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', (request, _payload, parsed) => {
    readRawBodyInto(request.raw, request.response, bodies, (error, body) => {
      if (error === null) void parseJson(request, body.toString('utf8'), parsed);
      else parsed(error);
    });
  });
  app.addContentTypeParser('text/plain', (request, _payload, parsed) => {
    readRawBodyInto(request.raw, request.response, bodies, (error, body) => parsed(error, body.toString('utf8')));
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
  // Fastify would leave the rest of the body, an upload's say, where it is: the client would send for ever and never look.
  reply.hijack();
  const headers = Object.entries(reply.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
  answer(request.raw, reply.raw, status, headers, body);
  return reply;
}

/** Fastify's own errors that deserve another code than their status tells. */
function toPlatformError(thrown: unknown, request: FastifyRequest, log: Log): Refusal {
  if (thrown instanceof PlatformError) {
    if (thrown.code === 'internal') logFailure(thrown, request, log);
    return { error: thrown, status: httpStatus[thrown.code] };
  }
  if (hasZodFastifySchemaValidationErrors(thrown)) {
    const { validationContext } = thrown;
    const given = validationContext === 'querystring' ? request.query : validationContext === 'params' ? request.params : request.body;
    const known = namesOf(request.routeOptions.schema?.[validationContext as 'body' | 'params' | 'querystring']);
    const problems = thrown.validation.map((problem) => {
      const place = problem.instancePath.slice(1).replaceAll('/', '.');
      return `${place === '' ? validationContext : place}: ${problemWords(problem, given, known)}`;
    });
    return { error: new PlatformError('invalid_request', problems.join('; ')), status: 400 };
  }
  const { statusCode = 500, message } = thrown as Partial<FastifyError>;
  if (statusCode < 500 && !isResponseSerializationError(thrown)) {
    const code = statusCode === 413 ? 'too_large' : statusCode === 415 ? 'unsupported' : 'invalid_request';
    return { error: new PlatformError(code, message ?? 'the request is not understood'), status: statusCode };
  }
  logFailure(thrown, request, log);
  return { error: new PlatformError('internal', `something went wrong here; the log has more under ${request.id}`), status: 500 };
}

/** The names that an object of this schema may have; null where it is a schema of something else. */
function namesOf(schema: unknown): readonly string[] | null {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : null;
}

function logFailure(thrown: unknown, request: FastifyRequest, log: Log): void {
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  log.error({ requestId: request.id, method: request.method, url: request.url, stack }, `a request failed: ${messageOf(thrown)}`);
}
