/** Which versions endpoints took back, and which one of a group is then the one to deploy. Pure. */
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';

export interface TakenBack {
  readonly endpoint: string;
  readonly reason: string;
  readonly at: string;
}

type Endpoints = readonly Pick<EndpointBody, 'name' | 'taken_back'>[];

/** Names are the same without case. */
export function takenBackBy(endpoints: Endpoints, version: string): TakenBack[] {
  const isIt = ({ model }: { readonly model: string }): boolean => model.toLowerCase() === version.toLowerCase();
  return endpoints.flatMap(({ name: endpoint, taken_back: all }) => all.filter(isIt).map(({ reason, at }) => ({ endpoint, reason, at })));
}

/** As the command line takes a group without a version: the newest approved one that no endpoint took back. null where there is none. */
export function versionToDeploy(
  versions: readonly Pick<VersionBody, 'name' | 'version' | 'approval'>[],
  endpoints: Endpoints,
): string | null {
  const approved = versions.filter(({ approval }) => approval === 'Approved').toSorted((a, b) => b.version - a.version);
  return approved.find(({ name }) => takenBackBy(endpoints, name).length === 0)?.name ?? null;
}
