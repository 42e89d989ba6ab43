/** Batches with which a model is measured: rows of its sample, or generated ones. */
import type { Random } from '../../random.ts';
import type { Signature, Tensor } from '../../tensor.ts';
import { joined, type Row } from './probe-rows.ts';
import { sampleInputs } from './sample-inputs.ts';
import { firstRows, type SampleBody } from './sample-rows.ts';

/**
 * Makes batches of a number of rows. Rows of the sample are repeated; rows of another shape than the first are left out. Without a sample, or
 * if none of its rows fits the model, values are generated. Those throw `unsupported` if they would be too large.
 */
export function sampleBatches(signature: Signature, sample: SampleBody | null, random: Random): (rows: number) => Tensor[] {
  const rows = sample === null ? [] : firstRows(signature, sample);
  const [first] = rows;
  if (first === undefined) return (count) => sampleInputs(signature, count, random);
  const usable = rows.filter((row) => shapes(row) === shapes(first));
  return (count) => [...joined(Array.from({ length: count }, (_, index) => usable[index % usable.length] as Row))];
}

function shapes(row: Row): string {
  return row.map(({ shape }) => shape.join('x')).join();
}
