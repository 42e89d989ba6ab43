/** Which versions may be deployed, and which one is meant where none was said. */
import { useQuery } from '@tanstack/react-query';
import type { EndpointBody, VersionBody } from '../../../../src/api/index.ts';
import { endpointsQuery, groupsQuery, versionQuery, versionsQuery } from '../../api/queries.ts';
import { takenBackBy, versionToDeploy } from '../../api/taken-back.ts';

export interface ModelsToDeploy {
  readonly isLoaded: boolean;
  readonly error: Error | null;
  /** Names of approved versions: the latest of each group, and all of the group that is chosen. */
  readonly names: readonly string[];
  /** The one that is meant where none is named; null where none is approved. */
  readonly proposed: string | null;
  readonly version: VersionBody | undefined;
  /** They tell which versions they took back. */
  readonly endpoints: readonly EndpointBody[];
}

const nothing: readonly never[] = [];

export function useModelsToDeploy(model: string): ModelsToDeploy {
  const groups = useQuery(groupsQuery());
  const asked = useQuery(endpointsQuery());
  const endpoints = asked.data?.items ?? nothing;
  const latest = (groups.data?.items ?? []).flatMap(({ name, latest_approved: number }) => (number === null ? [] : [`${name}/${number}`]));
  const [group = ''] = (model === '' ? (inOrder(latest)[0] ?? '') : model).split('/');
  const versions = useQuery({ ...versionsQuery(group), enabled: group !== '' });
  const listed = versions.data?.items.find(({ name }) => name === model);
  // One before the latest hundred is asked for by its name.
  const isEarlier = model !== '' && listed === undefined && (versions.data?.next ?? null) !== null;
  const earlier = useQuery({ ...versionQuery(model), enabled: isEarlier });
  const own = [...(versions.data?.items ?? []), ...(earlier.data === undefined ? [] : [earlier.data])];
  const approved = own.filter(({ approval }) => approval === 'Approved').map(({ name }) => name);
  const names = inOrder([...new Set([...approved, ...latest])]);
  // Where all of the group were taken back, another group's; at last one of those, which says so.
  const proposed = versionToDeploy(own, endpoints) ?? names.find((name) => takenBackBy(endpoints, name).length === 0) ?? names[0] ?? null;
  return {
    isLoaded: groups.data !== undefined && !asked.isPending && (group === '' || !(versions.isPending || earlier.isLoading)),
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
