/** Which class each score of a model belongs to, learnt from rows on which it also names the class. Pure. */
import { compareClasses } from './evaluation-set.ts';
import type { AnsweredRow } from './read-answers.ts';

/** The place of the largest score, the first of equals; -1 if a score is not a number. */
export function largest(scores: Float64Array): number {
  let best = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (!Number.isFinite(score)) return -1;
    if (score > (scores[best] as number)) best = i;
  }
  return best;
}

/** Classes by place of their score. A place that stays unknown is undefined. */
export class ClassOrder {
  readonly #learnt = new Map<number, string>();

  /** Takes a row into account, unless its largest score has an equal. */
  learn({ text, scores }: AnsweredRow): void {
    if (text === null || scores === null) return;
    const best = largest(scores);
    if (best === -1 || this.#learnt.has(best)) return;
    if (scores.indexOf(scores[best] as number, best + 1) === -1) this.#learnt.set(best, text);
  }

  /** `count` classes; `known` are those of the labels. */
  order(count: number, known: readonly string[]): readonly (string | undefined)[] {
    const learnt = [...this.#learnt];
    if (learnt.every(([place, text]) => text === String(place))) return Array.from({ length: count }, (_, place) => String(place));
    // Libraries sort their classes.
    const sorted = [...new Set([...known, ...this.#learnt.values()])].sort(compareClasses);
    if (sorted.length === count && learnt.every(([place, text]) => sorted[place] === text)) return sorted;
    return Array.from({ length: count }, (_, place) => this.#learnt.get(place));
  }
}
