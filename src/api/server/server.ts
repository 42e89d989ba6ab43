/** Routes of the server itself: status, keys, prices. */
import { z } from 'zod';
import { type Caller, hasPermission, type KeySummary, keyLimitsMax, roles } from '../../access/index.ts';
import type { MachineTimes } from '../../metrics/index.ts';
import type { IsolationStatus } from '../../providers/index.ts';
import { createdKeyBody, type KeyBody, keyBody, pageBody } from '../bodies.ts';
import { isoTime, pageByOffset, pageQuery } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { availabilityNotes } from './availability-note.ts';
import { type StatusBody, statusBody } from './status-body.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  'access' | 'audit' | 'availability' | 'clock' | 'cluster' | 'db' | 'deployments' | 'keys' | 'machine' | 'prices' | 'server' | 'workers'
>;

export function serverRoutes(services: Services): ApiRoute[] {
  const { access, prices } = services;
  return [
    apiRoute('GET /status', {
      summary: 'Get the status of the server',
      answer: statusBody,
      handle: ({ caller }) => status(services, caller),
    }),
    apiRoute('GET /prices', {
      summary: 'Get the price table',
      description: 'Prices of instances and functions used for cost calculations, in USD.',
      answer: z.record(z.string(), z.unknown()),
      handle: () => ({ ...prices }),
    }),
    apiRoute('GET /keys', {
      summary: 'List the keys, without their secrets',
      query: pageQuery,
      answer: pageBody(keyBody),
      handle: ({ query }) => pageByOffset(query, ({ limit, offset }) => access.list().slice(offset, offset + limit), keyBodyOf),
    }),
    ...keyChanges(services),
  ];
}

function keyChanges({ keys, audit, db }: Pick<ApiServices, 'keys' | 'audit' | 'db'>): ApiRoute[] {
  return [
    apiRoute('POST /keys', {
      summary: 'Create a key',
      description: 'The secret is returned only once.',
      body: z.strictObject({
        role: z.enum(roles),
        description: z.string().max(1024).default(''),
        rate_per_second: z
          .number()
          .positive()
          .max(keyLimitsMax.ratePerSecond)
          .optional()
          .describe('Requests per second; requests above the limit get 429.'),
        concurrency: z
          .int()
          .min(1)
          .max(keyLimitsMax.concurrency)
          .optional()
          .describe('Concurrent requests; requests above the limit get 429.'),
      }),
      answer: createdKeyBody,
      status: 201,
      handle: async ({ body: { role, description, rate_per_second: ratePerSecond, concurrency }, caller }) => {
        const limits = { ...(ratePerSecond === undefined ? {} : { ratePerSecond }), ...(concurrency === undefined ? {} : { concurrency }) };
        const key = await keys.create(role, description, limits);
        await audit.record(db, {
          who: caller.keyId,
          action: 'CreateKey',
          target: key.id,
          outcome: 'ok',
          detail: { role, description, ...limits },
        });
        return { ...keyBodyOf(key), secret: key.secret };
      },
    }),
    apiRoute('DELETE /keys/:id', {
      summary: 'Revoke a key immediately and permanently',
      params: z.strictObject({ id: z.string() }),
      handle: async ({ params, caller }) => {
        await keys.revoke(params.id);
        await audit.record(db, { who: caller.keyId, action: 'RevokeKey', target: params.id, outcome: 'ok', detail: null });
      },
    }),
  ];
}

function keyBodyOf({ id, role, description, createdAtMs, limits = {} }: KeySummary): KeyBody {
  const { ratePerSecond = null, concurrency = null } = limits;
  return { id, role, description, created_at: isoTime(createdAtMs), rate_per_second: ratePerSecond, concurrency };
}

function status(
  {
    deployments,
    availability,
    workers,
    clock,
    cluster,
    server,
    machine,
  }: Pick<ApiServices, 'deployments' | 'availability' | 'workers' | 'clock' | 'cluster' | 'server' | 'machine'>,
  { role }: Caller,
): StatusBody {
  const views = deployments.list();
  const endpoints: Record<string, number> = {};
  for (const { status: word } of views) endpoints[word] = (endpoints[word] ?? 0) + 1;
  const all = workers();
  const shortage = cluster?.shortage ?? { lostHosts: 0, waitingWorkers: 0 };
  const count = (state: string): number => all.filter((worker) => worker.state === state).length;
  return {
    version: server.version,
    node: process.versions.node,
    ready:
      !server.isDraining() &&
      availability.takenOver === null &&
      views.every(({ status: word }) => word !== 'Creating' && word !== 'Failed'),
    started_at: isoTime(server.startedAtMs),
    uptime_s: (clock.wallMs() - server.startedAtMs) / 1000,
    cores: server.cores,
    processor_ms: processorBodyOf(machine.times),
    data_directory: hasPermission(role, 'administer') ? server.dataDirectory : null,
    cluster: cluster !== null,
    lost_hosts: shortage.lostHosts,
    waiting_workers: shortage.waitingWorkers,
    grpc: server.grpc(),
    rss_bytes: process.memoryUsage.rss(),
    endpoints,
    executors: { ready: count('ready'), starting: count('starting'), failed: count('failed') },
    workers_rss_bytes: all.reduce((sum, worker) => sum + (worker.rssBytes ?? 0), 0),
    isolation: isolationBodyOf(server.isolation()),
    fork_servers: server.forkServers().map(({ rssBytes, workers, ...view }) => ({ ...view, rss_bytes: rssBytes, worker_count: workers })),
    notes: [...availabilityNotes(availability), ...new Set([...server.notes(), ...views.flatMap(({ notes }) => notes)])],
  };
}

function processorBodyOf(times: MachineTimes | null): StatusBody['processor_ms'] {
  return times === null ? null : { used: times.usedMs, available: times.availableMs, own: times.ownMs };
}

function isolationBodyOf(isolation: IsolationStatus | null): StatusBody['isolation'] {
  if (isolation === null) return null;
  const { mode, hasOwnUsers, reason, advice } = isolation;
  return { mode, own_users: hasOwnUsers, reason, advice };
}
