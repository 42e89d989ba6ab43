/** What changes models: each is one call or a few, in the order in which they have to be. */
import type { RegisteredBody, VersionBody } from '../../../src/api/index.ts';
import { path, post } from './client.ts';

export type Decision = 'Approved' | 'Rejected';

/** By its name, `digits/3`. An empty comment is none. */
export function decide(name: string, approval: Decision, note: string): Promise<VersionBody> {
  const [group = '', version = ''] = name.split('/');
  const comment = note.trim();
  return post<VersionBody>(path('/groups/:group/versions/:version/approval', { group, version }), {
    approval,
    ...(comment === '' ? {} : { note: comment }),
  });
}

/** The same bytes again are the same version; one that is approved already stays as it is. */
export async function takeFromCatalogue(name: string, { approve }: { readonly approve: boolean }): Promise<VersionBody> {
  const { version } = await post<RegisteredBody>(path('/catalogue/:name/register', { name }), {});
  return approve && version.approval === 'PendingManualApproval' ? decide(version.name, 'Approved', 'from the catalogue') : version;
}
