/** Which versions may be deployed, and which one is meant where none was said. */
import { useQuery } from '@tanstack/react-query';
import type { VersionBody } from '../../../../src/api/index.ts';
import { groupsQuery, versionQuery, versionsQuery } from '../../api/queries.ts';

export interface ModelsToDeploy {
  readonly isLoaded: boolean;
  readonly error: Error | null;
  /** Names of approved versions: the latest of each group, and all of the group that is chosen. */
  readonly names: readonly string[];
  readonly version: VersionBody | undefined;
}

export function useModelsToDeploy(model: string): ModelsToDeploy {
  const groups = useQuery(groupsQuery());
  const group = model.split('/')[0] ?? '';
  const versions = useQuery({ ...versionsQuery(group), enabled: group !== '' });
  const latest = (groups.data?.items ?? []).flatMap(({ name, latest_approved: number }) => (number === null ? [] : [`${name}/${number}`]));
  const listed = versions.data?.items.find(({ name }) => name === model);
  // One before the latest hundred is asked for by its name.
  const isEarlier = listed === undefined && (versions.data?.next ?? null) !== null;
  const earlier = useQuery({ ...versionQuery(model), enabled: isEarlier });
  const version = listed ?? earlier.data;
  const own = [...(versions.data?.items ?? []), ...(earlier.data === undefined ? [] : [earlier.data])]
    .filter(({ approval }) => approval === 'Approved')
    .map(({ name }) => name);
  const names = [...new Set([...own, ...latest])].toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return {
    isLoaded: groups.data !== undefined && (group === '' || !(versions.isPending || earlier.isLoading)),
    error: groups.error,
    names,
    version,
  };
}
