/** What pages ask the platform for: one function a thing, with its key in the cache. Live numbers are written into the same cache (live.ts). */
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
  Page,
  RequestBody,
  StatusBody,
  VersionBody,
} from '../../../src/api/index.ts';
import { get, getAll, path, type Query } from './client.ts';

export const statusQuery = () =>
  queryOptions({ queryKey: ['status'], queryFn: ({ signal }) => get<StatusBody>('/status', {}, signal), refetchInterval: 15_000 });

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

export interface HistoryWish {
  readonly periodS: number;
  readonly spanS: number;
  /** Epoch milliseconds; null for what is live, up to now. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export const historyQuery = (endpoint: string, { periodS, spanS, fromMs, toMs }: HistoryWish) =>
  queryOptions({
    queryKey: ['history', endpoint, periodS, spanS, fromMs, toMs],
    queryFn: ({ signal }) => {
      const until = toMs ?? Date.now();
      const span = { from: new Date(fromMs ?? until - spanS * 1000).toISOString(), to: new Date(until).toISOString() };
      return get<HistoryBody>(path('/endpoints/:endpoint/history', { endpoint }), { ...span, period_s: periodS }, signal);
    },
  });

export const decisionsQuery = (endpoint: string, query: Query = {}) =>
  queryOptions({
    queryKey: ['decisions', endpoint, query],
    queryFn: ({ signal }) => get<Page<AnyDecisionBody>>(path('/endpoints/:endpoint/decisions', { endpoint }), query, signal),
  });

export const recentEventsQuery = (query: Query = {}) =>
  queryOptions({
    queryKey: ['events', query],
    queryFn: ({ signal }) => get<Page<EventBody>>('/events/recent', query, signal),
  });

export const alarmsQuery = () =>
  queryOptions({
    queryKey: ['alarms'],
    queryFn: ({ signal }) => get<Page<AlarmBody>>('/alarms', {}, signal),
    refetchInterval: 15_000,
  });

/** Its own, and those on what is measured of it; those that ring first. */
export const alarmsOfQuery = (endpoint: string) =>
  queryOptions({
    queryKey: ['alarms', 'of', endpoint],
    queryFn: ({ signal }) => get<Page<AlarmBody>>('/alarms', { endpoint }, signal),
    refetchInterval: 15_000,
  });

export const groupsQuery = () => queryOptions({ queryKey: ['groups'], queryFn: ({ signal }) => getAll<GroupBody>('/groups', {}, signal) });

export const versionsQuery = (group: string, limit = 100) =>
  queryOptions({
    queryKey: ['versions', group, limit],
    queryFn: ({ signal }) => get<Page<VersionBody>>(path('/groups/:group/versions', { group }), { limit }, signal),
  });

/** By its name, `digits/3`. */
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
    // Its line is written a moment after its answer.
    retry: 3,
    retryDelay: 300,
  });
