/** What the pages of models and of deploying ask for, beside what all pages share (queries.ts). */
import { queryOptions } from '@tanstack/react-query';
import type { DeploymentPlanBody, FunctionProfileBody, GroupBody, PreviewBody, ProfileBody } from '../../../src/api/index.ts';
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

/** By its name, `digits/3`. While nothing is measured yet it is asked again. */
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

/** The price table as it stands in the configuration. */
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

/** The plan for a wish, as `POST /plan/deployment` takes it. */
export const deploymentPlanQuery = (wish: object) =>
  queryOptions({
    queryKey: ['deployment-plan', wish],
    queryFn: ({ signal }) => post<DeploymentPlanBody>('/plan/deployment', wish, { signal }),
    staleTime: 60_000,
    retry: false,
  });

/** What a file is that may become a version; nothing of it stays. */
export function previewModel(file: Blob): Promise<PreviewBody> {
  return post<PreviewBody>('/models/preview', file, { contentType: 'application/octet-stream' });
}
