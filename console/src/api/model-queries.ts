/** Queries of the model and deploy pages. Those that all pages share are in queries.ts. */
import { queryOptions } from '@tanstack/react-query';
import type { CardBody, DeploymentPlanBody, FunctionProfileBody, GroupBody, PreviewBody, ProfileBody } from '../../../src/api/index.ts';
import { get, path, post } from './client.ts';

export const groupQuery = (group: string) =>
  queryOptions({
    queryKey: ['group', group],
    queryFn: ({ signal }) => get<GroupBody>(path('/groups/:group', { group }), {}, signal),
  });

export interface ProfilesBody {
  readonly items: readonly ProfileBody[];
  readonly functions: readonly FunctionProfileBody[];
}

/** The profile of a version such as `digits/3`. Polls up to 20 times until the first measurement exists. */
export const profileQuery = (name: string) =>
  queryOptions({
    queryKey: ['profile', name],
    queryFn: ({ signal }) => {
      const [group = '', version = ''] = name.split('/');
      return get<ProfilesBody>(path('/groups/:group/versions/:version/profile', { group, version }), {}, signal);
    },
    staleTime: 10_000,
    refetchInterval: ({ state }) => (state.data?.items.length === 0 && state.dataUpdateCount < 20 ? 1000 : false),
  });

/** The model card of a version such as `digits/3`. */
export const cardQuery = (name: string) =>
  queryOptions({
    queryKey: ['card', name],
    queryFn: ({ signal }) => {
      const [group = '', version = ''] = name.split('/');
      return get<CardBody>(path('/groups/:group/versions/:version/card', { group, version }), {}, signal);
    },
    staleTime: 10_000,
  });

/** The price table of the configuration. */
export interface PricesBody {
  readonly asOf: string;
  readonly instances: Readonly<Record<string, { readonly vcpu: number; readonly memoryMiB: number; readonly usdPerHour: number }>>;
}

export const pricesQuery = () =>
  queryOptions({
    queryKey: ['prices'],
    queryFn: ({ signal }) => get<PricesBody>('/prices', {}, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** The plan for a deployment request, as `POST /plan/deployment` expects it. */
export const deploymentPlanQuery = (request: object) =>
  queryOptions({
    queryKey: ['deployment-plan', request],
    queryFn: ({ signal }) => post<DeploymentPlanBody>('/plan/deployment', request, { signal }),
    staleTime: 60_000,
    retry: false,
  });

/** Inspects a model file without storing it. */
export function previewModel(name: string, file: Blob): Promise<PreviewBody> {
  return post<PreviewBody>('/models/preview', file, { contentType: 'application/octet-stream', query: { name } });
}
