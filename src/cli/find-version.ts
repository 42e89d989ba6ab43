/** Which version is meant where one is named, or only its group. */
import type { EndpointBody, GroupBody, VersionBody } from '../api/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';
import type { Progress } from './progress.ts';
import { countText } from './words.ts';

/** A version that an endpoint took back. */
export interface TakenBack {
  readonly model: string;
  readonly endpoint: string;
  readonly reason: string;
  readonly at: string;
}

/** A version that an endpoint is going over to, and may yet take back. */
export interface Watched {
  readonly model: string;
  readonly endpoint: string;
}

export type Choice = { readonly version: VersionBody; readonly why: string } | { readonly refusal: string };

/**
 * Of a group the newest approved version that no endpoint took back, else the newest: `versions` are all of it. Who wants one that was taken
 * back names its number.
 */
export function chooseVersion(
  group: string,
  versions: readonly VersionBody[],
  takenBack: readonly TakenBack[],
  watched: readonly Watched[],
): Choice {
  const falling = versions.toSorted((a, b) => b.version - a.version);
  const [newest] = falling;
  if (newest === undefined) return { refusal: `${group} has no versions: register one with \`penstock register FILE --group ${group}\`` };
  const approved = falling.filter(({ approval }) => approval === 'Approved');
  if (approved.length === 0) return { version: newest, why: `${newest.name}, the newest: none is approved` };
  const backOf = (each: VersionBody): TakenBack | undefined => takenBack.find((back) => isOf(back, each));
  const version = approved.find((each) => backOf(each) === undefined);
  const told = approved
    .slice(0, version === undefined ? undefined : approved.indexOf(version))
    .map((each) => backText(backOf(each) as TakenBack));
  if (version === undefined) return { refusal: `${told.join('; ')}: name the one you mean, ${(approved[0] as VersionBody).name} say` };
  const newer = told.length === 0 ? '' : ` that was not taken back; ${told.join('; ')}`;
  return {
    version,
    why: `${version.name}, the newest approved${newer}${unapprovedText(falling, version)}${watchedText(version, watched)}`,
  };
}

export function takenBackBy(endpoints: readonly Pick<EndpointBody, 'name' | 'taken_back'>[]): TakenBack[] {
  return endpoints.flatMap(({ name: endpoint, taken_back: all }) => all.map((each) => ({ ...each, endpoint })));
}

/** Whether it is about this version; names are the same without case. */
export function isOf({ model }: Pick<TakenBack, 'model'>, { name }: Pick<VersionBody, 'name'>): boolean {
  return model.toLowerCase() === name.toLowerCase();
}

function watchedText({ name }: VersionBody, watched: readonly Watched[]): string {
  return watched
    .filter((each) => isOf(each, { name }))
    .map(({ endpoint }) => `; endpoint ${endpoint} still watches it and may take it back`)
    .join('');
}

function backText({ model, endpoint, reason }: TakenBack): string {
  return `endpoint ${endpoint} took ${model} back (${reason})`;
}

function unapprovedText(falling: readonly VersionBody[], { version }: VersionBody): string {
  const waiting = falling.filter((each) => each.version > version && each.approval !== 'Approved').length;
  return waiting === 0 ? '' : `; ${countText(waiting, 'newer version')} not approved`;
}

interface Named {
  readonly group: string;
  readonly version: number | null;
}

/** Says which one it took, where only a group was named. */
export async function findVersion(client: Client, progress: Progress, { group, version }: Named): Promise<VersionBody> {
  const path = `/groups/${part(group)}`;
  if (version !== null) return client.get<VersionBody>(`${path}/versions/${version}`);
  await client.get<GroupBody>(path); // says so where there is none
  const versions = await client.all<VersionBody>(`${path}/versions`);
  const endpoints = await client.all<EndpointBody>('/endpoints');
  const choice = chooseVersion(group, versions, takenBackBy(endpoints), endpoints.flatMap(watchedBy));
  if ('refusal' in choice) throw new Failure(choice.refusal);
  progress.remark('version', choice.why);
  return choice.version;
}

function watchedBy({ name: endpoint, rollout }: EndpointBody): readonly Watched[] {
  // Where no version is old, only settings change: those are taken back, not the version.
  if (rollout?.state !== 'shifting' || rollout.versions.every(({ is_new: isNew }) => isNew)) return [];
  return rollout.versions.filter(({ is_new: isNew }) => isNew).map(({ model }) => ({ model, endpoint }));
}
