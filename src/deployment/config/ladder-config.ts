/** What a variant of a selection serves: plans from the cheapest to the most accurate, of models that each worker loads (ADR 32). Pure. */
import { isDeepStrictEqual } from 'node:util';
import { PlatformError } from '../../errors.ts';
import { type SelectionConfig, shadowShareMax } from './selection-config.ts';

/** A plan, with what an evaluation says of it. */
export interface LadderRung {
  /** `digits-mlp/1>digits-cnn/1@0.03` */
  readonly name: string;
  /** Versions, such as `digits-mlp/1`. */
  readonly first: string;
  /** Null for a model alone. */
  readonly second: string | null;
  /** Rows of which 1 minus the largest score is above it go on. */
  readonly threshold: number;
  readonly accuracy: number;
  /** Exceeded with probability 95 %, for this plan alone. */
  readonly lower: number;
  readonly isCertified: boolean;
  /** Share of the rows of the evaluation that go on. */
  readonly escalated: number;
  /** The other rows of the evaluation: their number, and on how many of them the most accurate plan disagrees. */
  readonly agreement?: RungAgreement;
}

/** How often a plan differed from the most accurate one, on rows that both answered. */
export interface RungAgreement {
  readonly rows: number;
  readonly disagreed: number;
}

/**
 * A version that answers no client yet: it runs in idle time beside the version that it would replace, until labels show which of them is
 * right more often.
 */
export interface LadderChallenger {
  /** `digits-mlp/2`, one of the loaded models. */
  readonly model: string;
  /** The loaded version of the same group; null: it is compared with the answers that clients got. */
  readonly incumbent: string | null;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
}

/** The plans of a variant. Computed by the selection; users never write it. Stored, so that a restart serves the same plans. */
export interface LadderConfig {
  /** Versions that each worker loads. */
  readonly models: readonly string[];
  /** From the cheapest to the most accurate. */
  readonly rungs: readonly LadderRung[];
  /** The rung that instances are sized for. Those before it are taken only from accuracy credit. */
  readonly floorRung: number;
  /** The accuracy to keep; null: none. */
  readonly floor: number | null;
  /** The most accuracy credit, in rows. */
  readonly creditRowsMax: number;
  /** The share of the answered requests that are run again under another plan in idle time. Absent: none. */
  readonly shadowShare?: number;
  /** Absent: none is tried. */
  readonly challenger?: LadderChallenger;
  /** How they were chosen. */
  readonly selection?: SelectionConfig;
}

/** The plans of a selection. */
export interface SelectedLadder extends LadderConfig {
  readonly selection: SelectionConfig;
}

/** Plans of one ladder. */
export const rungsMax = 8;
/** Models of one ladder. Every worker of the variant loads all of them. */
export const ladderModelsMax = 3;

/** Identifies what workers load and by which numbers runs name plans: workers with equal keys are interchangeable. */
export function ladderKey({ models, rungs, floorRung }: LadderConfig): string {
  // Functions load the floor plan alone.
  return [...models, ...rungs.map(({ name }) => name), floorRung].join(' ');
}

/**
 * The number of the plan that runs a model alone: its rung, or after the rungs that of a model with which no rung begins. Null if there is
 * none.
 */
export function planAlone({ models, rungs }: Pick<LadderConfig, 'models' | 'rungs'>, model: string): number | null {
  const rung = rungs.findIndex(({ first, second }) => first === model && second === null);
  if (rung !== -1) return rung;
  const place = unusedModels({ models, rungs }).indexOf(model);
  return place === -1 ? null : rungs.length + place;
}

/** Models that no rung begins with. */
export function unusedModels({ models, rungs }: Pick<LadderConfig, 'models' | 'rungs'>): readonly string[] {
  return models.filter((model) => !rungs.some(({ first }) => first === model));
}

/** The same for workers of one model that also load the model of a shadow. */
export function shadowKey(model: string): string {
  return `shadow ${model}`;
}

/** Whether two ladders serve the same for the same reasons, whenever they were chosen. */
export function isSameLadder(one: LadderConfig, other: LadderConfig): boolean {
  return isDeepStrictEqual(withoutTime(one), withoutTime(other));
}

function withoutTime({ selection, ...ladder }: LadderConfig): unknown {
  return { ...ladder, selection: selection && { ...selection, decision: { ...selection.decision, atMs: 0 } } };
}

/** The floor plan alone: functions run no other, so they load no other models. */
export function floorOnly(ladder: LadderConfig): LadderConfig {
  const floor = ladder.rungs[ladder.floorRung] as LadderRung;
  const { shadowShare: _shadows, challenger: _challenger, ...others } = ladder;
  return { ...others, models: floor.second === null ? [floor.first] : [floor.first, floor.second], rungs: [floor], floorRung: 0 };
}

/** Throws `invalid_request`. */
export function checkLadder(variant: string, { models, rungs, floorRung, shadowShare = 0, challenger }: LadderConfig): void {
  if (!(shadowShare >= 0 && shadowShare <= shadowShareMax)) {
    throw new PlatformError(
      'invalid_request',
      `variant ${variant}: expected shadows of 0 to ${100 * shadowShareMax} % of the requests, got ${100 * shadowShare} %`,
    );
  }
  if (challenger !== undefined && !models.includes(challenger.model)) {
    throw new PlatformError('invalid_request', `variant ${variant}: expected the challenger ${challenger.model} among the loaded models`);
  }
  const isLoaded = ({ first, second }: LadderRung): boolean => models.includes(first) && (second === null || models.includes(second));
  if (
    rungs.length >= 1 &&
    rungs.length <= rungsMax &&
    models.length <= ladderModelsMax &&
    rungs[floorRung] !== undefined &&
    rungs.every(isLoaded)
  )
    return;
  throw new PlatformError(
    'invalid_request',
    `variant ${variant}: expected 1 to ${rungsMax} plans of at most ${ladderModelsMax} loaded models`,
  );
}

/** `digits-mlp/1` as group and version. */
export function versionIn(name: string): { readonly group: string; readonly version: number } {
  const slash = name.lastIndexOf('/');
  return { group: name.slice(0, slash), version: Number(name.slice(slash + 1)) };
}
