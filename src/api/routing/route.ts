/** Declares routes and mounts them on the server: authentication and permission first, then schema validation. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Access, type Caller, permissionFor } from '../../access/index.ts';
import { type HttpScope, isBrokenOff, rememberCaller } from '../../http/index.ts';
import { type Origin, withOrigin } from '../../records/index.ts';
import { errorResponseBody } from '../bodies.ts';
import { type RouteKey, routeActions } from './route-actions.ts';

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

export interface RouteCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Caller;
  readonly requestId: string;
  /** The Node request. Its body is unread if the route is `raw`. */
  readonly request: IncomingMessage;
  /** Routes with `streams` may write the response themselves. */
  readonly response: ServerResponse;
}

export interface RouteOptions<Params, Query, Body, Answer> {
  readonly summary: string;
  readonly description?: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** Schema of the response body; without it the response is 204. */
  readonly answer?: Answer;
  /** Default: 200. */
  readonly status?: 200 | 201 | 202;
  /** The handler reads the body itself. Lists the accepted content types for the OpenAPI document. */
  readonly raw?: readonly string[];
  /** The body is a file of any size: it may take longer than the time limit of requests, as long as bytes arrive. */
  readonly isUpload?: true;
  /** Content types of the response. The handler may write it itself and return undefined. */
  readonly streams?: readonly string[];
  readonly handle: (call: RouteCall<Parsed<Params>, Parsed<Query>, Parsed<Body>>) => Promise<Returned<Answer>> | Returned<Answer>;
}

/** The response body, its encoded JSON, or undefined if there is none or the handler has written it. */
type Returned<Answer> = Answer extends z.ZodType ? z.input<Answer> | Buffer | undefined : void;

/** A route with erased types, ready to be mounted. */
export interface ApiRoute {
  readonly key: RouteKey;
  readonly options: Omit<RouteOptions<z.ZodType, z.ZodType, z.ZodType, z.ZodType>, 'handle'>;
  readonly handle: (call: RouteCall<unknown, unknown, unknown>) => Promise<unknown>;
}

/** Declares a route. The handler's types are inferred from the schemas. */
export function apiRoute<
  Params extends z.ZodType | undefined = undefined,
  Query extends z.ZodType | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
  Answer extends z.ZodType | undefined = undefined,
>(key: RouteKey, options: RouteOptions<Params, Query, Body, Answer>): ApiRoute {
  const { handle, ...described } = options;
  return {
    key,
    options: described as ApiRoute['options'],
    handle: async (call) => handle(call as RouteCall<Parsed<Params>, Parsed<Query>, Parsed<Body>>),
  };
}

export interface RouteContext {
  readonly access: Pick<Access, 'require'>;
  readonly authenticate: (request: IncomingMessage) => Caller;
  /** Called for the uploads of callers with permission. */
  readonly extendTimeout: (request: IncomingMessage) => void;
  /** Called for each rejected call; `caller` is null if authentication failed. */
  readonly onRejected?: (rejected: RejectedRoute, error: unknown) => Promise<void>;
}

export interface RejectedRoute {
  readonly caller: Caller | null;
  readonly key: RouteKey;
  /** The path parameters joined, such as `digits/3`; the path if it has none. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
}

/** Mounts routes on a scope of the server. Raw routes get a scope without body parsers. */
export async function mount(scope: HttpScope, routes: readonly ApiRoute[], context: RouteContext): Promise<void> {
  for (const each of routes) if (each.options.raw === undefined) mountOne(scope, each, context);
  await scope.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    for (const each of routes) if (each.options.raw !== undefined) mountOne(own, each, context);
  });
}

function mountOne(
  scope: HttpScope,
  { key, options, handle }: ApiRoute,
  { access, authenticate, extendTimeout, onRejected }: RouteContext,
): void {
  const [method, url] = key.split(' ') as [string, string];
  const callers = new WeakMap<IncomingMessage, Caller>();
  const isInference = inferenceRoutes.includes(key);
  scope.route({
    method,
    url,
    schema: schemaOf(key, options),
    config: { isInference },
    onRequest: (request, _reply, next) => {
      const action = routeActions[key];
      const caller = action === null ? anonymousCaller : authenticate(request.raw);
      callers.set(request.raw, caller);
      if (caller !== anonymousCaller && !isInference) rememberCaller(request.raw, caller.keyId);
      if (action !== null) access.require(caller, permissionFor(action));
      if (options.isUpload === true) extendTimeout(request.raw);
      next();
    },
    onError: async (request, _reply, error) => {
      if (onRejected === undefined || isBrokenOff(request.raw)) return;
      const caller = callers.get(request.raw) ?? null;
      const named = Object.values((request.params ?? {}) as Readonly<Record<string, unknown>>)
        .map(String)
        .join('/');
      const target = named === '' ? new URL(request.url, 'http://x').pathname : named;
      await withOrigin(originOf(request), () => onRejected({ caller, key, target, headers: request.raw.headers }, error));
    },
    handler: async (request, reply) => {
      const { params, query, body, id: requestId, raw } = request;
      const caller = callers.get(raw) as Caller;
      const call = { params, query, body, caller, requestId, request: raw, response: reply.raw };
      const answer = await withOrigin(originOf(request), () => handle(call));
      if (answer instanceof Buffer) return reply.type('application/json').send(answer);
      if (answer === undefined && options.streams !== undefined) return reply.hijack();
      return options.answer === undefined ? reply.code(204).send() : reply.code(options.status ?? 200).send(answer);
    },
  });
}

/** These calls are recorded in the request log, so the access log does not name their caller. */
const inferenceRoutes: readonly RouteKey[] = ['POST /endpoints/:endpoint/invoke', 'POST /endpoints/:endpoint/async'];

/** The caller of a route that requires no permission. */
const anonymousCaller: Caller = { keyId: 'public', role: 'viewer' };

function originOf(request: { readonly raw: IncomingMessage; readonly id: string }): Origin {
  const { socket, headers } = request.raw;
  return { protocol: 'api', remoteAddress: socket.remoteAddress ?? '', userAgent: headers['user-agent'] ?? '', requestId: request.id };
}

function schemaOf(key: RouteKey, options: ApiRoute['options']): Record<string, unknown> {
  const { summary, params, query, body, answer, streams, raw, status = 200 } = options;
  const [, tag = ''] = key.split('/');
  const action = routeActions[key];
  const permission = action === null ? 'Requires no permission.' : `Requires the permission \`${permissionFor(action)}\`.`;
  return {
    tags: [tag],
    summary,
    description: options.description === undefined ? permission : `${options.description}\n\n${permission}`,
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(raw === undefined ? {} : { consumes: raw, body: z.unknown() }),
    response: {
      ...(answer === undefined
        ? { 204: z.null().describe('Done.') }
        : { [status]: streams === undefined ? answer : streamed(answer, streams) }),
      '4xx': errorResponseBody,
      '5xx': errorResponseBody,
    },
  };
}

/** A response with several content types. In an event stream, the data of each event has the schema. */
function streamed(answer: z.ZodType, types: readonly string[]): object {
  const content: Record<string, { readonly schema: z.ZodType }> = {};
  for (const type of types) content[type] = { schema: type === '*/*' ? z.unknown() : answer };
  return { description: 'Done.', content };
}
