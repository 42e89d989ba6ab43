/** The events of updates: the steps of a monitored one with their counts, unmonitored deploys, settings changes, rollbacks. Pure. */
import type { AuditAction, EventKind, NewEvent } from '../../records/index.ts';
import { type EndpointConfig, modelsOf } from '../config/endpoint-config.ts';
import { type SettingChange, settingChanges } from '../config/setting-changes.ts';
import type { CountCause } from '../counts/count-decision.ts';
import type { StoredEndpoint } from '../endpoint-rows.ts';
import { isUnderWay, type Rollout, type RolloutVerdict, rolloutStepOf } from './rollout.ts';
import { type CountedVersion, requestsOf } from './version-counts.ts';
import { servedLast } from './version-history.ts';

/** The outcome of the update, by event kind. */
export const updateKinds = {
  'endpoint.update-started': 'started',
  'endpoint.traffic-shifted': 'share raised',
  'endpoint.step-extended': 'step extended',
  'endpoint.step-completed': 'step completed',
  'endpoint.update-paused': 'paused',
  'endpoint.update-completed': 'completed',
  'endpoint.update-rolled-back': 'update rolled back',
  'endpoint.update-superseded': 'superseded',
  'endpoint.rolled-back': 'rolled back',
  'endpoint.deployed': 'deployed',
  'endpoint.settings-changed': 'settings changed',
} as const;

export type UpdateKind = keyof typeof updateKinds;

/** The detail of these events; events of older servers have fewer members. */
export interface UpdateDetail {
  readonly generation: number;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly share?: number;
  readonly reason?: string;
  /** The user who requested it; absent for automatic actions. */
  readonly who?: string;
  /** The changed settings, the first ones if there are many. */
  readonly settings?: readonly SettingChange[];
  /** The number of further changed settings. */
  readonly moreSettings?: number;
  /** For rollbacks: the settings that differ from when the restored versions last served; the first ones if there are many. */
  readonly staying?: readonly SettingChange[];
  /** The number of further such settings. */
  readonly moreStaying?: number;
  readonly versions?: readonly CountedVersion[];
}

type Watched = Pick<StoredEndpoint, 'config'> & { readonly rollout: Rollout; readonly versions: readonly CountedVersion[] };

/** The event of a verdict, with the counts it was based on. `who` is null if no user caused it. */
export function verdictEvent(
  { config, generation }: StoredEndpoint,
  { rollout, config: updated, versions }: Watched,
  verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
  who: string | null,
): NewEvent {
  const { share, bakeMs } = rolloutStepOf(rollout);
  const event = (kind: UpdateKind, detail: Omit<UpdateDetail, 'generation'> & object): NewEvent => ({
    kind,
    subject: config.name,
    detail: { generation, ...detail },
  });
  const [old, fresh] = [modelsOf(rollout.before), modelsOf(updated)];
  switch (verdict.kind) {
    case 'roll-back':
      return event('endpoint.update-rolled-back', {
        reason: verdict.reason,
        share,
        from: fresh,
        to: old,
        versions,
        ...settingsDetail(updated, config),
        ...actorDetail(who),
      });
    case 'done':
      return event('endpoint.update-completed', {
        from: old,
        to: fresh,
        versions,
        sawRequests: sawRequests(fresh, versions),
        ...noteDetail(verdict.note),
        ...actorDetail(who),
      } as object);
    case 'extend':
      return event('endpoint.step-extended', { from: old, to: fresh, share, reason: verdict.reason, versions });
    case 'pause':
      return event('endpoint.update-paused', { from: old, to: fresh, share, reason: verdict.reason, versions });
    case 'begin':
      return event('endpoint.traffic-shifted', { from: old, to: fresh, share, bakeMs } as object);
    case 'next':
      return event('endpoint.step-completed', {
        from: old,
        to: fresh,
        share,
        bakeMs,
        versions,
        ...noteDetail(verdict.note),
        ...actorDetail(who),
      } as object);
  }
}

/** The event of an unmonitored update whose versions now receive all requests. `who` is null if it is not known after a restart. */
export function versionDeployedEvent({ config, generation, history }: StoredEndpoint, who: string | null): NewEvent {
  const from = modelsOf(history.kept.at(-1) ?? { variants: [] });
  const detail: UpdateDetail = { generation, from, to: modelsOf(config), ...actorDetail(who) };
  return { kind: 'endpoint.deployed' satisfies UpdateKind, subject: config.name, detail };
}

function noteDetail(note: string | null): Pick<UpdateDetail, 'reason'> {
  return note === null ? {} : { reason: note };
}

function actorDetail(who: string | null): Pick<UpdateDetail, 'who'> {
  return who === null ? {} : { who };
}

/** The actor and the action, as named in audit and events. */
export interface ActionKind {
  readonly who: string;
  readonly action: AuditAction;
  readonly event: EventKind;
  /** Only for a rollback to the previous versions. */
  readonly rollbackReason?: string;
  /** The requested number of instances, which the config does not show. */
  readonly requested?: { readonly variant: string; readonly instances: number };
  /** What changes instance counts. Default: the actor. */
  readonly cause?: CountCause;
}

/** The cause of a changed instance count, as its decision names it. */
export function causeOf({ who, rollbackReason, cause }: ActionKind): CountCause {
  if (cause !== undefined) return cause;
  return rollbackReason === undefined
    ? { trigger: 'update', why: `${who} updated the endpoint` }
    : { trigger: 'rollback', why: `${who} rolled the endpoint back` };
}

/** The reason for a requested rollback: of an update in progress, or to the previous version. */
export const requestedManually = 'requested manually';

/** The audit detail of a change; a rollback has its versions and its reason. */
export function changeDetail(
  before: Pick<StoredEndpoint, 'config'> | undefined,
  { generation, config }: Pick<StoredEndpoint, 'config' | 'generation'>,
  rollbackReason?: string,
): Omit<UpdateDetail, 'versions'> & { readonly config: EndpointConfig } {
  if (before === undefined || rollbackReason === undefined) return { generation, config };
  return { generation, from: modelsOf(before.config), to: modelsOf(config), reason: rollbackReason, config };
}

/** Further settings of one change are only counted. */
const settingsMost = 20;

/** The settings that the new config changes; empty if none. */
function settingsDetail(before: EndpointConfig, now: EndpointConfig): Pick<UpdateDetail, 'settings' | 'moreSettings'> {
  const settings = settingChanges(before, now);
  const others = settings.length > settingsMost ? { moreSettings: settings.length - settingsMost } : {};
  return settings.length === 0 ? {} : { settings: settings.slice(0, settingsMost), ...others };
}

/** A rollback restores versions only: the current settings that differ from when those versions last served. */
function unchangedDetail(before: StoredEndpoint | undefined, now: EndpointConfig): Pick<UpdateDetail, 'staying' | 'moreStaying'> {
  const then = before === undefined ? null : servedLast(before.history, now);
  const { settings: staying, moreSettings } = then === null ? {} : settingsDetail(then, now);
  if (staying === undefined) return {};
  return { staying, ...(moreSettings === undefined ? {} : { moreStaying: moreSettings }) };
}

/**
 * The update events of an endpoint change: an update in progress is superseded, or a monitored one begins. Changed settings are
 * reported, and so is a rollback to the previous version with its reason.
 */
export function changeEvents(
  before: StoredEndpoint | undefined,
  now: Pick<StoredEndpoint, 'config' | 'generation' | 'rollout' | 'state'>,
  versions: readonly CountedVersion[],
  { who, rollbackReason }: Pick<ActionKind, 'who' | 'rollbackReason'>,
): NewEvent[] {
  const { config, generation, rollout, state } = now;
  const common = { subject: config.name };
  const changed = before === undefined ? {} : settingsDetail(before.config, config);
  const reported: NewEvent[] = [];
  if (before !== undefined && isUnderWay(before.rollout) && rollout !== before.rollout) {
    const by = state === 'InService' ? `generation ${generation} (${modelsOf(config).join(' and ')})` : state;
    const detail = {
      generation: before.generation,
      reason: `superseded by ${by}`,
      share: rolloutStepOf(before.rollout).share,
      from: modelsOf(before.rollout.before),
      to: modelsOf(before.config),
      versions,
      who,
    };
    reported.push({ ...common, kind: 'endpoint.update-superseded', detail });
  }
  if (isUnderWay(rollout) && rollout !== before?.rollout) {
    const { steps, alarms, timeoutMs, evidence } = rollout.guard;
    const [from, to] = [modelsOf(rollout.before), modelsOf(config)];
    const minimum = evidence === undefined ? {} : { answersMin: evidence.answersMin };
    const detail = { generation, from, to, steps, alarms, timeoutMs, ...minimum, who, ...changed };
    reported.push({ ...common, kind: 'endpoint.update-started', detail });
  } else if (rollbackReason !== undefined) {
    const { config: _settings, ...detail } = changeDetail(before, now, rollbackReason);
    reported.push({ ...common, kind: 'endpoint.rolled-back', detail: { ...detail, who, ...changed, ...unchangedDetail(before, config) } });
  } else if (before !== undefined && changed.settings !== undefined) {
    const detail = { generation, from: modelsOf(before.config), to: modelsOf(config), who, ...changed };
    reported.push({ ...common, kind: 'endpoint.settings-changed', detail });
  }
  return reported;
}

/** Whether the new versions received any request. */
function sawRequests(own: readonly string[], versions: readonly CountedVersion[]): boolean {
  return versions.some(({ model, counts }) => own.includes(model) && requestsOf(counts) > 0);
}
