/** Routes of the server itself: status, keys, prices. */
import { z } from 'zod';
import { type KeySummary, roles } from '../access/index.ts';
import { createdKeyBody, type KeyBody, keyBody, pageOf, type StatusBody, statusBody } from './bodies.ts';
import { pageByOffset, pageQuery, timeOf } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

export function serverRoutes(services: ApiServices): Route[] {
  const { access, prices } = services;
  return [
    route('GET /status', { summary: 'Tell how the server is', answer: statusBody, handle: () => status(services) }),
    route('GET /prices', {
      summary: 'Show the price table',
      description: 'What instances and functions are reckoned to cost, in USD.',
      answer: z.record(z.string(), z.unknown()),
      handle: () => ({ ...prices }),
    }),
    route('GET /keys', {
      summary: 'List the keys, without their secrets',
      query: pageQuery,
      answer: pageOf(keyBody),
      handle: ({ query }) => pageByOffset(query, ({ limit, offset }) => access.list().slice(offset, offset + limit), keyBodyOf),
    }),
    ...keyChanges(services),
  ];
}

function keyChanges({ access, audit, db }: ApiServices): Route[] {
  return [
    route('POST /keys', {
      summary: 'Create a key',
      description: 'Its secret is shown this once.',
      body: z.strictObject({ role: z.enum(roles), description: z.string().max(1024).default('') }),
      answer: createdKeyBody,
      status: 201,
      handle: async ({ body: { role, description }, caller }) => {
        const key = access.create(role, description);
        await audit.record(db, { who: caller.keyId, action: 'CreateKey', target: key.id, outcome: 'ok', detail: { role, description } });
        return { ...keyBodyOf(key), secret: key.secret };
      },
    }),
    route('DELETE /keys/:id', {
      summary: 'Revoke a key, at once and for good',
      params: z.strictObject({ id: z.string() }),
      handle: async ({ params, caller }) => {
        access.revoke(params.id);
        await audit.record(db, { who: caller.keyId, action: 'RevokeKey', target: params.id, outcome: 'ok', detail: null });
      },
    }),
  ];
}

function keyBodyOf({ id, role, description, createdAtMs }: KeySummary): KeyBody {
  return { id, role, description, created_at: timeOf(createdAtMs) };
}

function status({ deployments, workers, clock, server }: ApiServices): StatusBody {
  const views = deployments.list();
  const endpoints: Record<string, number> = {};
  for (const { status: word } of views) endpoints[word] = (endpoints[word] ?? 0) + 1;
  const all = workers();
  const count = (state: string): number => all.filter((worker) => worker.state === state).length;
  return {
    version: server.version,
    node: process.versions.node,
    ready: views.every(({ status: word }) => word !== 'Creating' && word !== 'Failed'),
    started_at: timeOf(server.startedAtMs),
    uptime_s: (clock.wallMs() - server.startedAtMs) / 1000,
    cores: server.cores,
    grpc: server.grpc(),
    rss_bytes: process.memoryUsage.rss(),
    endpoints,
    executors: { ready: count('ready'), starting: count('starting'), failed: count('failed') },
    workers_rss_bytes: all.reduce((sum, worker) => sum + (worker.rssBytes ?? 0), 0),
    notes: [...new Set(views.flatMap(({ notes }) => notes))],
  };
}
