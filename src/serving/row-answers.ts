/** Which model answered each row of a request, and what each row costs. Pure. */
import type { LadderRung } from '../deployment/index.ts';
import type { PlanLine } from '../logs/index.ts';
import { confidenceOf, type RowStages, stages } from '../runtime/index.ts';
import type { BatchRung } from './plans/batch-plan.ts';

/** How the rows of a request were answered by a plan. */
export interface RowAnswers {
  readonly rung: LadderRung;
  /** From 1, as people count, and of how many. */
  readonly position: number;
  readonly of: number;
  readonly choice: BatchRung;
  readonly rows: number;
  /** One of `stages` by row. */
  readonly stage: Uint8Array;
  /** The largest score of the first model by row. */
  readonly confidence: Float32Array;
}

/** The answers of a batch under a plan. */
export interface BatchAnswers extends Pick<RowAnswers, 'rung' | 'position' | 'of' | 'choice'> {
  readonly stages: Pick<RowStages, 'stage' | 'confidence'>;
}

/** The answers to one request of a batch. Most requests need no view of their rows, so views are made when they are read. */
export class SlicedAnswers implements RowAnswers {
  readonly rows: number;
  readonly #batch: BatchAnswers;
  readonly #from: number;

  /** `from`: the first row of the request in the batch. */
  constructor(batch: BatchAnswers, from: number, rows: number) {
    this.#batch = batch;
    this.#from = from;
    this.rows = rows;
  }

  get rung(): LadderRung {
    return this.#batch.rung;
  }

  get position(): number {
    return this.#batch.position;
  }

  get of(): number {
    return this.#batch.of;
  }

  get choice(): BatchRung {
    return this.#batch.choice;
  }

  get stage(): Uint8Array {
    return this.#batch.stages.stage.subarray(this.#from, this.#from + this.rows);
  }

  get confidence(): Float32Array {
    return confidenceOf(this.#batch.stages, this.#from, this.rows);
  }
}

/**
 * The share of each row in the charge of a batch: the time of the first model is shared by all rows, that of the second one by those
 * that went on. With f and g the two times, b rows, of which `on` went on:
 *
 *   charge (f / b + [row went on] g / on) / (f + g)
 */
export function rowCharges(chargeUsd: number, { firstMs, secondMs, stage }: Omit<RowStages, 'confidence'>): Float64Array {
  const rows = stage.length;
  const on = stage.reduce((count, each) => count + (each === stages.first ? 0 : 1), 0);
  const totalMs = firstMs + (on === 0 ? 0 : secondMs);
  if (totalMs === 0) return new Float64Array(rows).fill(chargeUsd / rows);
  // The quotient of the times first: a product with a tiny time would be 0.
  const first = (chargeUsd * (firstMs / totalMs)) / rows;
  const second = on === 0 ? 0 : (chargeUsd * (secondMs / totalMs)) / on;
  return Float64Array.from(stage, (each) => (each === stages.first ? first : first + second));
}

/** Rows by model that answered them: `digits-mlp/1` 7, `digits-cnn/1` 1. Models without rows are left out. */
export function rowsByModel(answers: RowAnswers): ReadonlyMap<string, number> {
  const { first, second } = answers.rung;
  const on = rowsOfSecond(answers);
  return new Map([[first, answers.rows - on] as const, [second ?? '', on] as const].filter(([, rows]) => rows > 0));
}

/** Rows that the second model answered. */
export function rowsOfSecond(answers: RowAnswers): number {
  if (answers.rung.second === null) return 0;
  let count = 0;
  for (const each of answers.stage) if (each === stages.second) count++;
  return count;
}

let last = { model: '', rows: 0, text: '' };

/** `digits-mlp/1:7,digits-cnn/1:1` */
export function formatRowsByModel(answers: RowAnswers): string {
  const { rung, rows } = answers;
  if (rung.second === null && rows > 0) {
    // Most requests of an endpoint have as many rows as the one before, and its text is flat and known to be a valid header.
    if (rung.first !== last.model || rows !== last.rows) last = { model: rung.first, rows, text: `${rung.first}:${rows}` };
    return last.text;
  }
  return [...rowsByModel(answers)].map(([model, rows]) => `${model}:${rows}`).join(',');
}

/** For the request log. */
export function planLineOf(answers: RowAnswers): PlanLine {
  const { rung, position, of, choice, confidence } = answers;
  let least = Number.POSITIVE_INFINITY;
  for (let row = 0; row < confidence.length; row++) {
    const score = confidence[row] as number;
    if (score < least) least = score;
  }
  const { name, first, second, threshold } = rung;
  const { wentOn, failed } = second === null ? noneWentOn : wentOnIn(answers.stage);
  const { rowsWaiting, heldBack } = choice;
  return {
    name,
    rung: position,
    of,
    first,
    second,
    threshold,
    wentOn,
    failed,
    confidenceMin: least === Number.POSITIVE_INFINITY ? null : fourDigits(least),
    rowsWaiting,
    heldBack: heldBack && { ...heldBack, rung: heldBack.rung + 1, lateMs: Math.round(heldBack.lateMs * 1000) / 1000 },
  };
}

const noneWentOn = { wentOn: 0, failed: 0 };

function wentOnIn(stage: Uint8Array): { readonly wentOn: number; readonly failed: number } {
  let [wentOn, failed] = [0, 0];
  for (let row = 0; row < stage.length; row++) {
    if (stage[row] !== stages.first) wentOn++;
    if (stage[row] === stages.failed) failed++;
  }
  return { wentOn, failed };
}

/** Rounding to digits through text takes ten times as long, and scores are rarely that small. */
function fourDigits(score: number): number {
  return score >= 0.1 && score <= 1 ? Math.round(score * 10_000) / 10_000 : Number(score.toPrecision(4));
}

/** The answers to a request whose parts ran separately. The plan is that of the first part. */
export function joinedAnswers(parts: readonly (RowAnswers | undefined)[]): RowAnswers | undefined {
  const [first] = parts;
  if (first === undefined || parts.some((part) => part?.rung !== first.rung)) return undefined;
  const all = parts as readonly RowAnswers[];
  const rows = all.reduce((sum, part) => sum + part.rows, 0);
  const [stage, confidence] = [new Uint8Array(rows), new Float32Array(rows)];
  let offset = 0;
  for (const part of all) {
    stage.set(part.stage, offset);
    confidence.set(part.confidence, offset);
    offset += part.stage.length;
  }
  const { rung, position, of, choice } = first;
  return { rung, position, of, choice, rows, stage, confidence };
}
