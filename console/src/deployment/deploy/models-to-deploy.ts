/** The versions that can be deployed, and the one to propose. */
import { useQuery } from '@tanstack/react-query';
import type { EndpointBody, VersionBody } from '../../../../src/api/index.ts';
import { endpointsQuery, groupsQuery, versionQuery, versionsQuery } from '../../api/queries.ts';
import { rolledBackBy, versionToDeploy } from '../../api/rolled-back-versions.ts';

export interface ModelsToDeploy {
  readonly isLoaded: boolean;
  readonly error: Error | null;
  /** Approved versions: the latest of each group, and all of the chosen group. */
  readonly names: readonly string[];
  /** The default version; null if none is approved. */
  readonly proposed: string | null;
  readonly version: VersionBody | undefined;
  /** Needed for the versions that endpoints rolled back. */
  readonly endpoints: readonly EndpointBody[];
}

const nothing: readonly never[] = [];

export function useModelsToDeploy(model: string): ModelsToDeploy {
  const groups = useQuery(groupsQuery());
  const endpointList = useQuery(endpointsQuery());
  const endpoints = endpointList.data?.items ?? nothing;
  const latest = (groups.data?.items ?? []).flatMap(({ name, latest_approved: number }) => (number === null ? [] : [`${name}/${number}`]));
  const [group = ''] = (model === '' ? (inOrder(latest)[0] ?? '') : model).split('/');
  const versions = useQuery({ ...versionsQuery(group), enabled: group !== '' });
  const listed = versions.data?.items.find(({ name }) => name === model);
  // A version that is not among the latest hundred is fetched by name.
  const isEarlier = model !== '' && listed === undefined && (versions.data?.next ?? null) !== null;
  const earlier = useQuery({ ...versionQuery(model), enabled: isEarlier });
  const own = [...(versions.data?.items ?? []), ...(earlier.data === undefined ? [] : [earlier.data])];
  const approved = own.filter(({ approval }) => approval === 'Approved').map(({ name }) => name);
  const names = inOrder([...new Set([...approved, ...latest])]);
  // If all versions of the group were rolled back, propose another group's; as a last resort, one with a warning.
  const proposed = versionToDeploy(own, endpoints) ?? names.find((name) => rolledBackBy(endpoints, name).length === 0) ?? names[0] ?? null;
  return {
    isLoaded: groups.data !== undefined && !endpointList.isPending && (group === '' || !(versions.isPending || earlier.isLoading)),
    error: groups.error,
    names,
    proposed,
    version: listed ?? earlier.data,
    endpoints,
  };
}

function inOrder(names: readonly string[]): string[] {
  return names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
