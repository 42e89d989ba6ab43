/** The queries that pages share, with their cache keys. Live numbers are written into the same cache (live.tsx). */
import { queryOptions } from '@tanstack/react-query';
import type {
  AlarmBody,
  AnyDecisionBody,
  CatalogueBody,
  CatalogueEntryBody,
  DriftBody,
  EndpointBody,
  EventBody,
  GroupBody,
  HistoryBody,
  OverviewBody,
  PageBody,
  RequestBody,
  StatusBody,
  VersionBody,
} from '../../../src/api/index.ts';
import { reachability } from './away.ts';
import { get, getAll, path, type QueryParameters } from './client.ts';

export const statusQuery = () =>
  queryOptions({
    queryKey: ['status'],
    queryFn: ({ signal }) => get<StatusBody>('/status', {}, signal),
    // Every page has this query: it notices when the server is back.
    refetchInterval: () => (reachability.awaySinceMs() === null ? 15_000 : 2000),
  });

export const overviewQuery = (spanS: number) =>
  queryOptions({ queryKey: ['overview', spanS], queryFn: ({ signal }) => get<OverviewBody>('/overview', { span_s: spanS }, signal) });

export const endpointsQuery = () =>
  queryOptions({
    queryKey: ['endpoints'],
    queryFn: ({ signal }) => getAll<EndpointBody>('/endpoints', {}, signal),
  });

export const endpointQuery = (endpoint: string) =>
  queryOptions({
    queryKey: ['endpoint', endpoint],
    queryFn: ({ signal }) => get<EndpointBody>(path('/endpoints/:endpoint', { endpoint }), {}, signal),
  });

export interface HistoryQuery {
  readonly periodS: number;
  readonly spanS: number;
  /** Epoch milliseconds; null for a live range that ends now. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export const historyQuery = (endpoint: string, { periodS, spanS, fromMs, toMs }: HistoryQuery) =>
  queryOptions({
    queryKey: ['history', endpoint, periodS, spanS, fromMs, toMs],
    queryFn: ({ signal }) => {
      const until = toMs ?? Date.now();
      const span = { from: new Date(fromMs ?? until - spanS * 1000).toISOString(), to: new Date(until).toISOString() };
      return get<HistoryBody>(path('/endpoints/:endpoint/history', { endpoint }), { ...span, period_s: periodS }, signal);
    },
  });

export const decisionsQuery = (endpoint: string, query: QueryParameters = {}) =>
  queryOptions({
    queryKey: ['decisions', endpoint, query],
    queryFn: ({ signal }) => get<PageBody<AnyDecisionBody>>(path('/endpoints/:endpoint/decisions', { endpoint }), query, signal),
  });

export const recentEventsQuery = (query: QueryParameters = {}) =>
  queryOptions({
    queryKey: ['events', query],
    queryFn: ({ signal }) => get<PageBody<EventBody>>('/events/recent', query, signal),
  });

export const alarmsQuery = () =>
  queryOptions({
    queryKey: ['alarms'],
    queryFn: ({ signal }) => get<PageBody<AlarmBody>>('/alarms', {}, signal),
    refetchInterval: 15_000,
  });

/** The endpoint's own alarms and alarms on its metrics. Firing alarms come first. */
export const alarmsOfQuery = (endpoint: string) =>
  queryOptions({
    queryKey: ['alarms', 'of', endpoint],
    queryFn: ({ signal }) => get<PageBody<AlarmBody>>('/alarms', { endpoint }, signal),
    refetchInterval: 15_000,
  });

export const groupsQuery = () => queryOptions({ queryKey: ['groups'], queryFn: ({ signal }) => getAll<GroupBody>('/groups', {}, signal) });

export const versionsQuery = (group: string, limit = 100) =>
  queryOptions({
    queryKey: ['versions', group, limit],
    queryFn: ({ signal }) => get<PageBody<VersionBody>>(path('/groups/:group/versions', { group }), { limit }, signal),
  });

/** `name` is that of a version, such as `digits/3`. */
export const versionQuery = (name: string) =>
  queryOptions({
    queryKey: ['version', name],
    queryFn: ({ signal }) => {
      const [group = '', version = ''] = name.split('/');
      return get<VersionBody>(path('/groups/:group/versions/:version', { group, version }), {}, signal);
    },
  });

export const catalogueQuery = () =>
  queryOptions({
    queryKey: ['catalogue'],
    queryFn: ({ signal }) => get<{ readonly items: readonly CatalogueBody[] }>('/catalogue', {}, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const catalogueEntryQuery = (name: string) =>
  queryOptions({
    queryKey: ['catalogue', name],
    queryFn: ({ signal }) => get<CatalogueEntryBody>(path('/catalogue/:name', { name }), {}, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const driftQuery = (endpoint: string) =>
  queryOptions({
    queryKey: ['drift', endpoint],
    queryFn: ({ signal }) => get<DriftBody>(path('/endpoints/:endpoint/drift', { endpoint }), {}, signal),
  });

export const requestQuery = (request: string) =>
  queryOptions({
    queryKey: ['request', request],
    queryFn: ({ signal }) => get<RequestBody>(path('/requests/:request', { request }), {}, signal),
    // The request log is written shortly after the response, so the first attempts may return 404.
    retry: 3,
    retryDelay: 300,
  });
