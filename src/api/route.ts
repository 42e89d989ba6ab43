/** How a route is written down, and how it is put on the server: the schema at the door, the permission before it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Access, Caller } from '../access/index.ts';
import { type HttpScope, tellCaller } from '../http/index.ts';
import { type Origin, withOrigin } from '../monitoring/index.ts';
import { refusalBody } from './bodies.ts';
import { permissions, type RouteKey } from './permissions.ts';

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly caller: Caller;
  readonly requestId: string;
  /** The request itself, its body unread where the route is `raw`. */
  readonly request: IncomingMessage;
  /** For routes that are `stream`: they write their own answer. */
  readonly response: ServerResponse;
}

export interface RouteOptions<Params, Query, Body, Answer> {
  readonly summary: string;
  readonly description?: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** The answer's body; without one the answer is 204. */
  readonly answer?: Answer;
  /** 200 unless said. */
  readonly status?: 200 | 201 | 202;
  /** The handler reads the body itself; the content types it takes, for the document. */
  readonly raw?: readonly string[];
  /** The handler may write the answer itself, as `text/event-stream`: then it returns undefined. */
  readonly streams?: true;
  readonly handle: (call: Call<Parsed<Params>, Parsed<Query>, Parsed<Body>>) => Promise<Returned<Answer>> | Returned<Answer>;
}

/** The answer, or its JSON already encoded, or nothing where there is none or the handler has written it. */
type Returned<Answer> = Answer extends z.ZodType ? z.input<Answer> | Buffer | undefined : void;

/** A route with its types forgotten, ready to be mounted. */
export interface Route {
  readonly key: RouteKey;
  readonly options: Omit<RouteOptions<z.ZodType, z.ZodType, z.ZodType, z.ZodType>, 'handle'>;
  readonly handle: (call: Call<unknown, unknown, unknown>) => Promise<unknown>;
}

/** Writes a route down. The schemas give the handler its types. */
export function route<
  Params extends z.ZodType | undefined = undefined,
  Query extends z.ZodType | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
  Answer extends z.ZodType | undefined = undefined,
>(key: RouteKey, options: RouteOptions<Params, Query, Body, Answer>): Route {
  const { handle, ...described } = options;
  return {
    key,
    options: described as Route['options'],
    handle: async (call) => handle(call as Call<Parsed<Params>, Parsed<Query>, Parsed<Body>>),
  };
}

export interface Door {
  readonly access: Pick<Access, 'require'>;
  readonly authenticate: (request: IncomingMessage) => Caller;
  /** Told of each call that was refused; `caller` is null where it is not known who called. */
  readonly onRefused?: (refused: RefusedRoute, error: unknown) => Promise<void>;
}

export interface RefusedRoute {
  readonly caller: Caller | null;
  readonly key: RouteKey;
  /** What the path names, `digits/3`; the path where it names nothing. */
  readonly target: string;
  readonly headers: IncomingMessage['headers'];
}

/** Puts routes on a scope of the server. Those that read their own body get a scope in which nothing else reads it. */
export async function mount(scope: HttpScope, routes: readonly Route[], door: Door): Promise<void> {
  for (const each of routes) if (each.options.raw === undefined) mountOne(scope, each, door);
  await scope.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    for (const each of routes) if (each.options.raw !== undefined) mountOne(own, each, door);
  });
}

function mountOne(scope: HttpScope, { key, options, handle }: Route, { access, authenticate, onRefused }: Door): void {
  const [method, url] = key.split(' ') as [string, string];
  const callers = new WeakMap<IncomingMessage, Caller>();
  const isInference = inferring.includes(key);
  scope.route({
    method,
    url,
    schema: schemaOf(key, options),
    config: { isInference },
    onRequest: (request, _reply, next) => {
      const permission = permissions[key];
      const caller = permission === null ? nobody : authenticate(request.raw);
      callers.set(request.raw, caller);
      if (caller !== nobody && !isInference) tellCaller(request.raw, caller.keyId);
      if (permission !== null) access.require(caller, permission);
      next();
    },
    onError: async (request, _reply, error) => {
      if (onRefused === undefined) return;
      const caller = callers.get(request.raw) ?? null;
      const named = Object.values((request.params ?? {}) as Readonly<Record<string, unknown>>)
        .map(String)
        .join('/');
      const target = named === '' ? new URL(request.url, 'http://x').pathname : named;
      await withOrigin(originOf(request), () => onRefused({ caller, key, target, headers: request.raw.headers }, error));
    },
    handler: async (request, reply) => {
      const { params, query, body, id: requestId, raw } = request;
      const caller = callers.get(raw) as Caller;
      const call = { params, query, body, caller, requestId, request: raw, response: reply.raw };
      const answer = await withOrigin(originOf(request), () => handle(call));
      if (answer instanceof Buffer) return reply.type('application/json').send(answer);
      if (answer === undefined && options.streams === true) return reply.hijack();
      return options.answer === undefined ? reply.code(204).send() : reply.code(options.status ?? 200).send(answer);
    },
  });
}

/** What these did is told by the log of requests, or by what became of them. */
const inferring: readonly RouteKey[] = ['POST /endpoints/:endpoint/invoke', 'POST /endpoints/:endpoint/async'];

/** The caller of a route that is open to everybody. */
const nobody: Caller = { keyId: 'nobody', role: 'viewer' };

function originOf(request: { readonly raw: IncomingMessage; readonly id: string }): Origin {
  const { socket, headers } = request.raw;
  return { door: 'api', remoteAddress: socket.remoteAddress ?? '', userAgent: headers['user-agent'] ?? '', requestId: request.id };
}

function schemaOf(key: RouteKey, options: Route['options']): Record<string, unknown> {
  const { summary, params, query, body, answer, raw, status = 200 } = options;
  const [, tag = ''] = key.split('/');
  const permission = permissions[key];
  const needs = permission === null ? 'Open to everybody.' : `Needs the permission \`${permission}\`.`;
  return {
    tags: [tag],
    summary,
    description: options.description === undefined ? needs : `${options.description}\n\n${needs}`,
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(raw === undefined ? {} : { consumes: raw, body: z.unknown() }),
    response: {
      ...(answer === undefined ? { 204: z.null().describe('Done.') } : { [status]: answer }),
      '4xx': refusalBody,
      '5xx': refusalBody,
    },
  };
}
