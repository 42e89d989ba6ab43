/** What is told of an update that is watched: each step, with what it was judged by. Pure. */
import type { NewEvent } from '../monitoring/index.ts';
import { modelsOf } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';
import { isUnderWay, type Rollout, type RolloutVerdict, stepOf } from './rollout.ts';
import { type CountedVersion, requestsOf } from './version-counts.ts';

/** By the kind of the event: what became of the update. */
export const updateKinds = {
  'endpoint.update-begun': 'begun',
  'endpoint.traffic-shifted': 'share raised',
  'endpoint.step-watched': 'step watched',
  'endpoint.update-kept': 'kept',
  'endpoint.update-taken-back': 'taken back',
  'endpoint.update-superseded': 'superseded',
} as const;

export type UpdateKind = keyof typeof updateKinds;

/** The detail of each of these events; those of an older server have less. */
export interface UpdateDetail {
  readonly generation: number;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly share?: number;
  readonly reason?: string;
  readonly versions?: readonly CountedVersion[];
}

type Watched = Pick<StoredEndpoint, 'config'> & { readonly rollout: Rollout; readonly versions: readonly CountedVersion[] };

export function verdictEvent(
  { config, generation }: StoredEndpoint,
  { rollout, config: updated, versions }: Watched,
  verdict: Exclude<RolloutVerdict, { kind: 'wait' }>,
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
      return event('endpoint.update-taken-back', { reason: verdict.reason, share, from: fresh, to: old, versions });
    case 'done':
      return event('endpoint.update-kept', { from: old, to: fresh, versions, sawRequests: sawRequests(fresh, versions) } as object);
    case 'begin':
      return event('endpoint.traffic-shifted', { from: old, to: fresh, share, bakeMs } as object);
    case 'next':
      return event('endpoint.step-watched', { from: old, to: fresh, share, bakeMs, versions } as object);
  }
}

/** What a change of the endpoint means for updates: one that was under way is superseded, and one that is watched begins. */
export function changeEvents(
  before: StoredEndpoint | undefined,
  now: Pick<StoredEndpoint, 'config' | 'generation' | 'rollout' | 'state'>,
  versions: readonly CountedVersion[],
): NewEvent[] {
  const { config, generation, rollout, state } = now;
  const common = { subject: config.name };
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
    };
    told.push({ ...common, kind: 'endpoint.update-superseded', detail });
  }
  if (isUnderWay(rollout) && rollout !== before?.rollout) {
    const { steps, alarms, timeoutMs } = rollout.guard;
    const detail = { generation, from: modelsOf(rollout.before), to: modelsOf(config), steps, alarms, timeoutMs };
    told.push({ ...common, kind: 'endpoint.update-begun', detail });
  }
  return told;
}

/** Whether any request came by which the new versions could be judged. */
function sawRequests(own: readonly string[], versions: readonly CountedVersion[]): boolean {
  return versions.some(({ model, counts }) => own.includes(model) && requestsOf(counts) > 0);
}
