/** What is told of updates: each step of one that is watched, with what it was judged by, a deploy that nobody watches, other settings, a rollback. Pure. */
import type { Deed, EventKind, NewEvent } from '../monitoring/index.ts';
import { type EndpointConfig, modelsOf } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';
import { isUnderWay, type Rollout, type RolloutVerdict, stepOf } from './rollout.ts';
import { type SettingChange, settingChanges } from './setting-changes.ts';
import { type CountedVersion, requestsOf } from './version-counts.ts';
import { servedLast } from './version-history.ts';

/** By the kind of the event: what became of the update. */
export const updateKinds = {
  'endpoint.update-begun': 'begun',
  'endpoint.traffic-shifted': 'share raised',
  'endpoint.step-watched': 'step watched',
  'endpoint.update-kept': 'kept',
  'endpoint.update-taken-back': 'taken back',
  'endpoint.update-superseded': 'superseded',
  'endpoint.rolled-back': 'rolled back',
  'endpoint.deployed': 'deployed',
  'endpoint.settings-changed': 'settings changed',
} as const;

export type UpdateKind = keyof typeof updateKinds;

/** The detail of each of these events; those of an older server have less. */
export interface UpdateDetail {
  readonly generation: number;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly share?: number;
  readonly reason?: string;
  /** Who asked for it; of what Penstock did by itself nobody. */
  readonly who?: string;
  /** Those that a change changed, the first of many. */
  readonly settings?: readonly SettingChange[];
  /** How many others it changed. */
  readonly moreSettings?: number;
  /** Of a rollback: those that are others than when the versions it went back to served last, from then to now; the first of many. */
  readonly staying?: readonly SettingChange[];
  /** How many others stay so. */
  readonly moreStaying?: number;
  readonly versions?: readonly CountedVersion[];
}

type Watched = Pick<StoredEndpoint, 'config'> & { readonly rollout: Rollout; readonly versions: readonly CountedVersion[] };

export function verdictEvent(
  { config, generation }: StoredEndpoint,
  { rollout, config: updated, versions }: Watched,
  verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
  who: string | null,
): NewEvent {
  const { share, bakeMs } = stepOf(rollout);
  const event = (kind: UpdateKind, detail: Omit<UpdateDetail, 'generation'> & object): NewEvent => ({
    kind,
    subject: config.name,
    detail: { generation, ...detail },
  });
  const [old, fresh] = [modelsOf(rollout.before), modelsOf(updated)];
  switch (verdict.kind) {
    case 'take-back':
      return event('endpoint.update-taken-back', {
        reason: verdict.reason,
        share,
        from: fresh,
        to: old,
        versions,
        ...settingsTold(updated, config),
        ...whoTold(who),
      });
    case 'done':
      return event('endpoint.update-kept', { from: old, to: fresh, versions, sawRequests: sawRequests(fresh, versions) } as object);
    case 'begin':
      return event('endpoint.traffic-shifted', { from: old, to: fresh, share, bakeMs } as object);
    case 'next':
      return event('endpoint.step-watched', { from: old, to: fresh, share, bakeMs, versions } as object);
  }
}

/** Other versions than before have all requests, and nobody watched them come. `who` is null where nobody knows any more. */
export function deployedEvent({ config, generation, history }: StoredEndpoint, who: string | null): NewEvent {
  const from = modelsOf(history.kept.at(-1) ?? { variants: [] });
  const detail: UpdateDetail = { generation, from, to: modelsOf(config), ...whoTold(who) };
  return { kind: 'endpoint.deployed' satisfies UpdateKind, subject: config.name, detail };
}

function whoTold(who: string | null): Pick<UpdateDetail, 'who'> {
  return who === null ? {} : { who };
}

/** Who does what, as audit and events call it. */
export interface Doing {
  readonly who: string;
  readonly action: Deed;
  readonly event: EventKind;
  /** Of a rollback to the version before. */
  readonly rollbackReason?: string;
  /** What was asked for, where the config does not tell it. */
  readonly asked?: { readonly variant: string; readonly instances: number };
}

/** Why somebody's rollback was: of an update under way, or to the version before. */
export const askedByHand = 'asked for by hand';

/** What the audit tells of a change; a rollback says between which versions, and why. */
export function changeDetail(
  before: Pick<StoredEndpoint, 'config'> | undefined,
  { generation, config }: Pick<StoredEndpoint, 'config' | 'generation'>,
  rollbackReason?: string,
): Omit<UpdateDetail, 'versions'> & { readonly config: EndpointConfig } {
  if (before === undefined || rollbackReason === undefined) return { generation, config };
  return { generation, from: modelsOf(before.config), to: modelsOf(config), reason: rollbackReason, config };
}

/** More of one change are only counted. */
const settingsMost = 20;

/** Which settings another config changes; nothing where none. */
function settingsTold(before: EndpointConfig, now: EndpointConfig): Pick<UpdateDetail, 'settings' | 'moreSettings'> {
  const settings = settingChanges(before, now);
  const others = settings.length > settingsMost ? { moreSettings: settings.length - settingsMost } : {};
  return settings.length === 0 ? {} : { settings: settings.slice(0, settingsMost), ...others };
}

/** A rollback changes versions alone: which settings of now its versions did not have when they served last. */
function stayingTold(before: StoredEndpoint | undefined, now: EndpointConfig): Pick<UpdateDetail, 'staying' | 'moreStaying'> {
  const then = before === undefined ? null : servedLast(before.history, now);
  const { settings: staying, moreSettings } = then === null ? {} : settingsTold(then, now);
  if (staying === undefined) return {};
  return { staying, ...(moreSettings === undefined ? {} : { moreStaying: moreSettings }) };
}

/**
 * What a change of the endpoint means for updates: one that was under way is superseded, and one that is watched begins; other settings
 * are told, and a rollback to the version before with its reason.
 */
export function changeEvents(
  before: StoredEndpoint | undefined,
  now: Pick<StoredEndpoint, 'config' | 'generation' | 'rollout' | 'state'>,
  versions: readonly CountedVersion[],
  { who, rollbackReason }: Pick<Doing, 'who' | 'rollbackReason'>,
): NewEvent[] {
  const { config, generation, rollout, state } = now;
  const common = { subject: config.name };
  const changed = before === undefined ? {} : settingsTold(before.config, config);
  const told: NewEvent[] = [];
  if (before !== undefined && isUnderWay(before.rollout) && rollout !== before.rollout) {
    const by = state === 'InService' ? `generation ${generation} (${modelsOf(config).join(' and ')})` : state;
    const detail = {
      generation: before.generation,
      reason: `superseded by ${by}`,
      share: stepOf(before.rollout).share,
      from: modelsOf(before.rollout.before),
      to: modelsOf(before.config),
      versions,
      who,
    };
    told.push({ ...common, kind: 'endpoint.update-superseded', detail });
  }
  if (isUnderWay(rollout) && rollout !== before?.rollout) {
    const { steps, alarms, timeoutMs } = rollout.guard;
    const detail = { generation, from: modelsOf(rollout.before), to: modelsOf(config), steps, alarms, timeoutMs, who, ...changed };
    told.push({ ...common, kind: 'endpoint.update-begun', detail });
  } else if (rollbackReason !== undefined) {
    const { config: _settings, ...detail } = changeDetail(before, now, rollbackReason);
    told.push({ ...common, kind: 'endpoint.rolled-back', detail: { ...detail, who, ...changed, ...stayingTold(before, config) } });
  } else if (before !== undefined && changed.settings !== undefined) {
    const detail = { generation, from: modelsOf(before.config), to: modelsOf(config), who, ...changed };
    told.push({ ...common, kind: 'endpoint.settings-changed', detail });
  }
  return told;
}

/** Whether any request came by which the new versions could be judged. */
function sawRequests(own: readonly string[], versions: readonly CountedVersion[]): boolean {
  return versions.some(({ model, counts }) => own.includes(model) && requestsOf(counts) > 0);
}
