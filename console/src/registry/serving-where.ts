/** Which endpoints serve which versions, and what is promised there. Pure. */
import type { EndpointBody } from '../../../src/api/index.ts';

export interface Served {
  readonly endpoint: string;
  /** Share of its traffic, in percent. */
  readonly percent: number;
}

export function servedBy(endpoints: readonly EndpointBody[], version: string): Served[] {
  return endpoints.flatMap(({ name, variants }) => {
    const total = variants.reduce((sum, { weight }) => sum + weight, 0);
    const own = variants.filter(({ model }) => model === version).reduce((sum, { weight }) => sum + weight, 0);
    const isThere = variants.some(({ model }) => model === version);
    return isThere ? [{ endpoint: name, percent: total === 0 ? 0 : Math.round((100 * own) / total) }] : [];
  });
}

/** The endpoints of a group, whatever version they serve. */
export function endpointsOf(endpoints: readonly EndpointBody[], group: string): EndpointBody[] {
  return endpoints.filter(({ variants }) => variants.some(({ model }) => model.startsWith(`${group}/`)));
}
