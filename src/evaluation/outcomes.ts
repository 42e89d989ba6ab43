/** The outcomes of one model on one set, row by row, and their form on disk: 20 bytes a row for classes, 24 for values. Pure. */
import assert from 'node:assert/strict';

/** What a model did on each row. */
export interface RowOutcomes {
  /** 1 minus the largest score; NaN if the model has no scores, 1 if the row failed. */
  readonly unsureness: Float64Array;
  /** 0 or 1 for classes, the squared error for values. */
  readonly losses: Float64Array;
  /** Class numbers, -1 if the row failed; null for values. */
  readonly predictions: Int32Array | null;
  /** NaN if the row failed; null for classes. */
  readonly values: Float64Array | null;
}

/** All zeros, to be filled row by row. */
export function emptyOutcomes(rows: number, isClass: boolean): RowOutcomes {
  return {
    unsureness: new Float64Array(rows),
    losses: new Float64Array(rows),
    predictions: isClass ? new Int32Array(rows) : null,
    values: isClass ? null : new Float64Array(rows),
  };
}

/** Column after column. */
export function encodeOutcomes({ unsureness, losses, predictions, values }: RowOutcomes): Uint8Array {
  const answers = predictions ?? values;
  assert(answers !== null);
  return Buffer.concat([unsureness, losses, answers].map(bytesIn));
}

/** The inverse. `bytes` must have been written for this number of rows. */
export function decodeOutcomes(bytes: Uint8Array, rows: number, isClass: boolean): RowOutcomes {
  const own = new Uint8Array(bytes).buffer; // a copy, because a Buffer may be part of a larger one
  assert.equal(own.byteLength, rows * (isClass ? 20 : 24), 'outcomes of another number of rows');
  const answersAt = 16 * rows;
  return {
    unsureness: new Float64Array(own, 0, rows),
    losses: new Float64Array(own, 8 * rows, rows),
    predictions: isClass ? new Int32Array(own, answersAt, rows) : null,
    values: isClass ? null : new Float64Array(own, answersAt, rows),
  };
}

/** Stored labels: class numbers, or values. */
export function decodeLabels(bytes: Uint8Array, isClass: boolean): Int32Array | Float64Array {
  const own = new Uint8Array(bytes).buffer; // a copy, because a Buffer may be part of a larger one
  return isClass ? new Int32Array(own) : new Float64Array(own);
}

function bytesIn({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
