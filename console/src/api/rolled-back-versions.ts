/** Which versions endpoints rolled back, and which version of a group to propose for a deployment. Pure functions. */
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';

export interface RolledBackBy {
  readonly endpoint: string;
  readonly reason: string;
  readonly at: string;
}

type Endpoints = readonly Pick<EndpointBody, 'name' | 'rolled_back'>[];

/** Version names are compared case-insensitively. */
export function rolledBackBy(endpoints: Endpoints, version: string): RolledBackBy[] {
  const isIt = ({ model }: { readonly model: string }): boolean => model.toLowerCase() === version.toLowerCase();
  return endpoints.flatMap(({ name: endpoint, rolled_back: all }) => all.filter(isIt).map(({ reason, at }) => ({ endpoint, reason, at })));
}

/** The newest approved version that no endpoint rolled back, as the command line resolves a group; null if there is none. */
export function versionToDeploy(
  versions: readonly Pick<VersionBody, 'name' | 'version' | 'approval'>[],
  endpoints: Endpoints,
): string | null {
  const approved = versions.filter(({ approval }) => approval === 'Approved').toSorted((a, b) => b.version - a.version);
  return approved.find(({ name }) => rolledBackBy(endpoints, name).length === 0)?.name ?? null;
}
