/**
 * Selects the requests that an update is judged by: those of the new and of the old version in the current step. The counts at
 * the start of the update and of the step are stored in memory only, so a restart begins both windows again.
 */
import { nameKey } from '../../names.ts';
import { formatObjective } from '../../objective.ts';
import { type EndpointConfig, modelsOf } from '../config/endpoint-config.ts';
import { settingChanges } from '../config/setting-changes.ts';
import { Bursts } from './bursts.ts';
import { isUnderWay, type Rollout } from './rollout.ts';
import type { StepEvidence } from './rollout-evidence.ts';
import { type CountedVersion, countsDifference, requestsOf, sumOfCounts, type VersionCounts, zeroCounts } from './version-counts.ts';
import { newModels } from './version-history.ts';
import { type EvaluatedVersion, type VersionComparison, versionFault } from './version-verdict.ts';

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
  /** Late requests of the new version in the step. */
  readonly newBursts: Bursts;
  /** Late requests of the old version in the update. */
  readonly oldBursts: Bursts;
  atPoll: Counted;
}

/** A window with fewer requests of the old version is not a baseline: the next longer one is used. */
const comparedMin = 30;

/** Counts only grow, so a window is the difference between now and its mark. */
export class RolloutWindows {
  /** By lower-case name of the endpoint. */
  readonly #marks = new Map<string, Marks>();

  /**
   * Why the new version should be rolled back; null without evidence. Call it once a second: the first call in a step begins
   * its window. `earlier` are the endpoint's counts before the update. They are the baseline if the update has no new version,
   * and after a restart. They are a second baseline if settings change too: the old version has the new settings as well, so
   * comparing the two versions would not show their effect.
   */
  faultOf(
    { config, generation, rollout }: Judged,
    counted: readonly CountedVersion[],
    isOver: boolean,
    earlier: VersionCounts = zeroCounts,
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
      const { late, answered } = since(models, marks.atPoll);
      bursts.add(late, answered);
    }
    marks.atPoll = now;
    const windows = [marks.atStep, marks.atUpdate, new Map()].map((then) => since(old, then));
    const compared = windows.find((counts) => requestsOf(counts) >= comparedMin);
    const judged = (models: readonly string[], counts: VersionCounts): EvaluatedVersion => ({ models: models.join(' and '), counts });
    const inStep = (models: readonly string[]): EvaluatedVersion => judged(models, since(models, marks.atStep));
    const common = {
      objective: config.objective,
      lateness: {
        designEffect: Math.max(marks.newBursts.designEffect, marks.oldBursts.designEffect),
        watchedSeconds: marks.newBursts.sampleCount,
      },
      isOver,
    };
    const hasNoNewVersion = newModels(config.variants, rollout.before.variants).length === 0;
    if (compared === undefined)
      return versionFault({ now: inStep(fresh), ...comparePast(config, rollout, { earlier, isOfSettings: hasNoNewVersion }), ...common });
    const fault = versionFault({ now: inStep(fresh), before: judged(old, compared), ...common });
    if (fault !== null || settingChanges(rollout.before, config).length === 0) return fault;
    const all = [...new Set([...fresh, ...old, ...modelsOf(config)])];
    return versionFault({ now: inStep(all), ...comparePast(config, rollout, { earlier, isOfSettings: true }), ...common });
  }

  /** What the new versions have received in the current step; nothing until `faultOf` has begun its window. */
  evidenceOf({ config, generation, rollout }: Judged, counted: readonly CountedVersion[]): StepEvidence {
    const marks = this.#marks.get(nameKey(config.name));
    if (!isUnderWay(rollout) || marks?.generation !== generation || marks.step !== rollout.step) return { requests: 0, answers: 0 };
    const now = byModel(counted);
    const counts = sumOfCounts(versionsIn(config, rollout).fresh.map((model) => delta(model, now, marks.atStep)));
    return { requests: requestsOf(counts), answers: counts.answered + counts.failed };
  }

  /** The counts of each version since monitoring of the update began, new versions first. */
  during({ config, generation, rollout }: Judged, counted: readonly CountedVersion[]): readonly CountedVersion[] {
    if (!isUnderWay(rollout)) return [];
    const now = byModel(counted);
    const marks = this.#marks.get(nameKey(config.name));
    const then = marks?.generation === generation ? marks.atUpdate : now;
    const { fresh, old } = versionsIn(config, rollout);
    return [...fresh, ...old].map((model) => ({ model, counts: delta(model, now, then) }));
  }

  /** Stops monitoring the endpoint. */
  discard(endpoint: string): void {
    this.#marks.delete(nameKey(endpoint));
  }

  #marksOf(endpoint: string, generation: number, step: number, now: Counted): Marks {
    const key = nameKey(endpoint);
    const known = this.#marks.get(key);
    if (known?.generation === generation && known.step === step) return known;
    const { atUpdate, oldBursts } = known?.generation === generation ? known : { atUpdate: now, oldBursts: new Bursts() };
    const marks = { generation, step, atUpdate, oldBursts, atStep: now, newBursts: new Bursts(), atPoll: now };
    this.#marks.set(key, marks);
    return marks;
  }
}

/** Late requests under another objective are not comparable, and invalid requests are not caused by settings. */
function comparePast(
  config: EndpointConfig,
  { before }: Rollout,
  { earlier, isOfSettings }: { readonly earlier: VersionCounts; readonly isOfSettings: boolean },
): Pick<VersionComparison, 'before' | 'incomparable'> {
  if (requestsOf(earlier) < comparedMin) return { before: null };
  const isOther = formatted(config) !== formatted(before);
  const incomparable = [...(isOther ? (['late'] as const) : []), ...(isOfSettings ? (['refused'] as const) : [])];
  return { before: { models: 'before the update', counts: earlier }, incomparable };
}

function formatted({ objective }: EndpointConfig): string {
  return objective === null ? 'none' : formatObjective(objective);
}

/** The versions that an update adds and removes. If it adds none, `fresh` has all its versions, and there is no baseline. */
export function versionsIn(config: EndpointConfig, rollout: Rollout): { readonly fresh: string[]; readonly old: string[] } {
  const [now, before] = [modelsOf(config), modelsOf(rollout.before)];
  const fresh = now.filter((model) => !before.includes(model));
  if (fresh.length === 0) return { fresh: now, old: [] };
  return { fresh, old: before.filter((model) => !now.includes(model)) };
}

function byModel(counted: readonly CountedVersion[]): Counted {
  const models = new Map<string, VersionCounts>();
  for (const { model, counts } of counted) models.set(model, sumOfCounts([models.get(model) ?? zeroCounts, counts]));
  return models;
}

function delta(model: string, now: Counted, then: Counted): VersionCounts {
  return countsDifference(now.get(model) ?? zeroCounts, then.get(model) ?? zeroCounts);
}
