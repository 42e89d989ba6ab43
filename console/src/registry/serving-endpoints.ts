/** Which endpoints serve a version or a group. Pure functions. */
import type { EndpointBody } from '../../../src/api/index.ts';

export interface ServingEndpoint {
  readonly endpoint: string;
  /** Share of the endpoint's traffic, in percent. */
  readonly percent: number;
}

export function servedBy(endpoints: readonly EndpointBody[], version: string): ServingEndpoint[] {
  return endpoints.flatMap(({ name, variants: all }) => {
    const variants = all.filter(({ shadow }) => shadow === null);
    const total = variants.reduce((sum, { weight }) => sum + weight, 0);
    const own = variants.filter(({ model }) => model === version).reduce((sum, { weight }) => sum + weight, 0);
    const isThere = variants.some(({ model }) => model === version);
    return isThere ? [{ endpoint: name, percent: total === 0 ? 0 : Math.round((100 * own) / total) }] : [];
  });
}

/** Endpoints that serve any version of a group. */
export function endpointsOf(endpoints: readonly EndpointBody[], group: string): EndpointBody[] {
  return endpoints.filter(({ variants }) => variants.some(({ model }) => model.startsWith(`${group}/`)));
}
