/**
 * By which requests an update is judged: those of the present step, the new version's beside the old one's. What was counted when the update and its
 * step began is remembered here alone: a server that starts anew counts anew, and so both begin then.
 */
import { formatObjective } from '../objective.ts';
import { Bursts } from './bursts.ts';
import { type EndpointConfig, modelsOf } from './endpoint-config.ts';
import { isUnderWay, type Rollout } from './rollout.ts';
import { settingChanges } from './setting-changes.ts';
import { type CountedVersion, countsSince, nothingCounted, requestsOf, sumOfCounts, type VersionCounts } from './version-counts.ts';
import { newModels } from './version-history.ts';
import { type Comparison, faultOf, type JudgedVersion } from './version-verdict.ts';

interface Judged {
  readonly config: EndpointConfig;
  readonly generation: number;
  readonly rollout: Rollout | null;
}

type Counted = ReadonlyMap<string, VersionCounts>;

interface Marks {
  readonly generation: number;
  readonly step: number;
  readonly atUpdate: Counted;
  readonly atStep: Counted;
  /** Of the new version in the step. */
  readonly newBursts: Bursts;
  /** Of the old one in the update. */
  readonly oldBursts: Bursts;
  atLook: Counted;
}

/** Fewer requests of the old version say nothing of how it does: then what it did before counts. */
const comparedMin = 30;

export class RolloutWindows {
  /** By lower-case name of the endpoint. */
  readonly #marks = new Map<string, Marks>();

  /**
   * What speaks against the new version now, looked at once a second. The first look at a step begins it. `earlier` is what the endpoint did
   * before the update. That is compared with where nothing else is known: where it brings no other version, and after a restart; and where
   * other settings come with the version: the old one has them too, so what they do to both shows in no comparison of the two.
   */
  faultOf(
    { config, generation, rollout }: Judged,
    counted: readonly CountedVersion[],
    isOver: boolean,
    earlier: VersionCounts = nothingCounted,
  ): string | null {
    if (!isUnderWay(rollout)) return null;
    const now = byModel(counted);
    const marks = this.#marksOf(config.name, generation, rollout.step, now);
    const { fresh, old } = versionsIn(config, rollout);
    const since = (models: readonly string[], then: Counted): VersionCounts => sumOfCounts(models.map((model) => delta(model, now, then)));
    for (const [bursts, models] of [
      [marks.newBursts, fresh],
      [marks.oldBursts, old],
    ] as const) {
      const { late, answered } = since(models, marks.atLook);
      bursts.add(late, answered);
    }
    marks.atLook = now;
    const windows = [marks.atStep, marks.atUpdate, new Map()].map((then) => since(old, then));
    const compared = windows.find((counts) => requestsOf(counts) >= comparedMin);
    const judged = (models: readonly string[], counts: VersionCounts): JudgedVersion => ({ models: models.join(' and '), counts });
    const inStep = (models: readonly string[]): JudgedVersion => judged(models, since(models, marks.atStep));
    const common = {
      objective: config.objective,
      lateness: {
        designEffect: Math.max(marks.newBursts.designEffect, marks.oldBursts.designEffect),
        watchedSeconds: marks.newBursts.looks,
      },
      isOver,
    };
    const bringsNone = newModels(config.variants, rollout.before.variants).length === 0;
    if (compared === undefined)
      return faultOf({ now: inStep(fresh), ...besidePast(config, rollout, { earlier, isOfSettings: bringsNone }), ...common });
    const fault = faultOf({ now: inStep(fresh), before: judged(old, compared), ...common });
    if (fault !== null || settingChanges(rollout.before, config).length === 0) return fault;
    const all = [...new Set([...fresh, ...old, ...modelsOf(config)])];
    return faultOf({ now: inStep(all), ...besidePast(config, rollout, { earlier, isOfSettings: true }), ...common });
  }

  /** What each version did since the update began to be watched: the new ones first. */
  during({ config, generation, rollout }: Judged, counted: readonly CountedVersion[]): readonly CountedVersion[] {
    if (!isUnderWay(rollout)) return [];
    const now = byModel(counted);
    const marks = this.#marks.get(config.name.toLowerCase());
    const then = marks?.generation === generation ? marks.atUpdate : now;
    const { fresh, old } = versionsIn(config, rollout);
    return [...fresh, ...old].map((model) => ({ model, counts: delta(model, now, then) }));
  }

  /** Nothing is watched there any more. */
  forget(endpoint: string): void {
    this.#marks.delete(endpoint.toLowerCase());
  }

  #marksOf(endpoint: string, generation: number, step: number, now: Counted): Marks {
    const key = endpoint.toLowerCase();
    const known = this.#marks.get(key);
    if (known?.generation === generation && known.step === step) return known;
    const { atUpdate, oldBursts } = known?.generation === generation ? known : { atUpdate: now, oldBursts: new Bursts() };
    const marks = { generation, step, atUpdate, oldBursts, atStep: now, newBursts: new Bursts(), atLook: now };
    this.#marks.set(key, marks);
    return marks;
  }
}

/** Lateness by another objective is another thing, and callers who are refused as wrong are no fault of settings. */
function besidePast(
  config: EndpointConfig,
  { before }: Rollout,
  { earlier, isOfSettings }: { readonly earlier: VersionCounts; readonly isOfSettings: boolean },
): Pick<Comparison, 'before' | 'silentOn'> {
  if (requestsOf(earlier) < comparedMin) return { before: null };
  const isOther = formatted(config) !== formatted(before);
  const silentOn = [...(isOther ? (['late'] as const) : []), ...(isOfSettings ? (['refused'] as const) : [])];
  return { before: { models: 'before the update', counts: earlier }, silentOn };
}

function formatted({ objective }: EndpointConfig): string {
  return objective === null ? 'none' : formatObjective(objective);
}

/** The versions that an update brings, and those that it replaces; where it brings none, all of its own, and nothing to compare them with. */
export function versionsIn(config: EndpointConfig, rollout: Rollout): { readonly fresh: string[]; readonly old: string[] } {
  const [now, before] = [modelsOf(config), modelsOf(rollout.before)];
  const fresh = now.filter((model) => !before.includes(model));
  if (fresh.length === 0) return { fresh: now, old: [] };
  return { fresh, old: before.filter((model) => !now.includes(model)) };
}

function byModel(counted: readonly CountedVersion[]): Counted {
  const models = new Map<string, VersionCounts>();
  for (const { model, counts } of counted) models.set(model, sumOfCounts([models.get(model) ?? nothingCounted, counts]));
  return models;
}

function delta(model: string, now: Counted, then: Counted): VersionCounts {
  return countsSince(now.get(model) ?? nothingCounted, then.get(model) ?? nothingCounted);
}
