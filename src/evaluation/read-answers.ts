/** Reads the results of a transform, line by line: one answer per row of the set. */
import { createReadStream } from 'node:fs';
import { blocksOf, recordsOf } from '../codecs/index.ts';
import { PlatformError } from '../errors.ts';
import type { AnswerForm } from './answer-form.ts';
import { classTextOf } from './evaluation-set.ts';

/** The answer to one row. */
export interface AnsweredRow {
  /** The class that the model returned; null if there is none. */
  readonly text: string | null;
  /** NaN if there is none. */
  readonly value: number;
  /** Null if the model has none. A score that is not a number is NaN. */
  readonly scores: Float64Array | null;
}

const lineBytesMax = 64 * 2 ** 20;
const linesPerBlock = 256;

/** Yields null for a row on which the model failed. Throws `model_failed` unless there are exactly `rows` answers. */
export async function* readAnswers(path: string, form: AnswerForm, rows: number): AsyncGenerator<AnsweredRow | null> {
  let count = 0;
  const limits = { recordsMax: linesPerBlock, bytesMax: lineBytesMax, hasQuotes: false };
  for await (const block of blocksOf(createReadStream(path) as AsyncIterable<Buffer>, limits)) {
    for (const { text } of recordsOf(block, false)) {
      count++;
      if (count <= rows) yield answerOf(JSON.parse(text.toString()), form);
    }
  }
  if (count !== rows) throw new PlatformError('model_failed', `the model returned ${count} results for ${rows} rows`);
}

function answerOf(result: unknown, { isNamed, answer, scores, isSingle }: AnswerForm): AnsweredRow | null {
  if (result === null) return null;
  const outputs = isNamed ? (result as Readonly<Record<string, unknown>>) : null;
  const outputOf = (name: string | null): unknown => (name === null ? null : outputs === null ? result : outputs[name]);
  const only = first(outputOf(answer));
  const list = outputOf(scores);
  return {
    text: answer === null ? null : classTextOf(only),
    value: typeof only === 'number' ? only : Number.NaN,
    scores: Array.isArray(list) ? Float64Array.from(list, (score: unknown) => numberOf(score, isSingle)) : null,
  };
}

/** 32-bit floats are written with the fewest digits that identify them, so they are rounded back. */
function numberOf(score: unknown, isSingle: boolean): number {
  if (typeof score !== 'number') return Number.NaN;
  return isSingle ? Math.fround(score) : score;
}

/** `[3]` and `3` are the same answer. */
function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}
