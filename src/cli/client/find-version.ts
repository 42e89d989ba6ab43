/** Resolves a version reference, or a group name, to a version. */

import type { EndpointBody, GroupBody, VersionBody } from '../../api/index.ts';
import { sameName } from '../../names.ts';
import { CliError } from '../cli-error.ts';
import { isInProgress } from '../options/rollout-options.ts';
import { countText } from '../output/format.ts';
import type { Progress } from '../output/progress.ts';
import { type Client, pathSegment } from './client.ts';

/** A version that an endpoint rolled back. */
export interface RolledBackVersion {
  readonly model: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly at: string;
}

/** A version that an endpoint is being updated to, and may still roll back. */
export interface WatchedEndpointBody {
  readonly model: string;
  readonly endpoint: string;
}

/** The chosen version with the reason, or why none can be chosen. */
export type VersionChoice = { readonly version: VersionBody; readonly why: string } | { readonly refusal: string };

/**
 * The newest approved version of a group that no endpoint rolled back, else the newest version. `versions` is the whole group.
 * A rolled-back version is only chosen by its number.
 */
export function chooseVersion(
  group: string,
  versions: readonly VersionBody[],
  rolledBack: readonly RolledBackVersion[],
  watched: readonly WatchedEndpointBody[],
): VersionChoice {
  const falling = versions.toSorted((a, b) => b.version - a.version);
  const [newest] = falling;
  if (newest === undefined) return { refusal: `${group} has no versions: register one with \`penstock register FILE --group ${group}\`` };
  const approved = falling.filter(({ approval }) => approval === 'Approved');
  if (approved.length === 0) return { version: newest, why: `${newest.name}, the newest version: none is approved` };
  const backOf = (each: VersionBody): RolledBackVersion | undefined => rolledBack.find((back) => isVersionOf(back, each));
  const version = approved.find((each) => backOf(each) === undefined);
  const rollbacks = approved
    .slice(0, version === undefined ? undefined : approved.indexOf(version))
    .map((each) => backText(backOf(each) as RolledBackVersion));
  if (version === undefined)
    return { refusal: `${rollbacks.join('; ')}: name a version explicitly, such as ${(approved[0] as VersionBody).name}` };
  const newer = rollbacks.length === 0 ? '' : ` that was not rolled back; ${rollbacks.join('; ')}`;
  return {
    version,
    why: `${version.name}, the newest approved version${newer}${unapprovedText(falling, version)}${watchedText(version, watched)}`,
  };
}

/** Versions that a group's name never means; a rollout deploys them only by number. */
export function rolledBackVersionsOf(endpoints: readonly Pick<EndpointBody, 'name' | 'rolled_back'>[]): RolledBackVersion[] {
  return endpoints.flatMap(({ name: endpoint, rolled_back: all }) => all.map((each) => ({ ...each, endpoint })));
}

/** Whether the entry is about this version. Names are case-insensitive. */
export function isVersionOf({ model }: Pick<RolledBackVersion, 'model'>, { name }: Pick<VersionBody, 'name'>): boolean {
  return sameName(model, name);
}

function watchedText({ name }: VersionBody, watched: readonly WatchedEndpointBody[]): string {
  return watched
    .filter((each) => isVersionOf(each, { name }))
    .map(({ endpoint }) => `; endpoint ${endpoint} is still watching it and may roll it back`)
    .join('');
}

function backText({ model, endpoint, reason }: RolledBackVersion): string {
  return `endpoint ${endpoint} rolled back ${model} (${reason})`;
}

function unapprovedText(falling: readonly VersionBody[], { version }: VersionBody): string {
  const waiting = falling.filter((each) => each.version > version && each.approval !== 'Approved').length;
  return waiting === 0 ? '' : `; ${countText(waiting, 'newer version')} ${waiting === 1 ? 'is' : 'are'} not approved`;
}

interface Named {
  readonly group: string;
  readonly version: number | null;
}

/** Reports the chosen version if only a group was named. */
export async function findVersion(client: Client, progress: Progress, { group, version }: Named): Promise<VersionBody> {
  const path = `/groups/${pathSegment(group)}`;
  if (version !== null) return client.get<VersionBody>(`${path}/versions/${version}`);
  await client.get<GroupBody>(path); // fails with the server's own message if the group does not exist
  const versions = await client.all<VersionBody>(`${path}/versions`);
  const endpoints = await client.all<EndpointBody>('/endpoints');
  const choice = chooseVersion(group, versions, rolledBackVersionsOf(endpoints), endpoints.flatMap(watchedBy));
  if ('refusal' in choice) throw new CliError(choice.refusal);
  progress.remark('version', choice.why);
  return choice.version;
}

function watchedBy({ name: endpoint, rollout }: EndpointBody): readonly WatchedEndpointBody[] {
  // Without an old version, the update changes settings only: a rollback reverts those, not the version.
  if (!isInProgress(rollout) || rollout.versions.every(({ is_new: isNew }) => isNew)) return [];
  return rollout.versions.filter(({ is_new: isNew }) => isNew).map(({ model }) => ({ model, endpoint }));
}
