/** Tests whether the model that a worker has loaded can be batched: the same test for each runtime, on the server's side of the link. */
import { SeededRandom } from '../../random.ts';
import type { Signature, Tensor } from '../../tensor.ts';
import type { TensorParts } from '../link/tensor-frames.ts';
import { type Batchability, probeBatchability } from './batch-probe.ts';
import { firstRows, type SampleBody } from './sample-rows.ts';

interface LoadedLink {
  run(inputs: readonly TensorParts[]): Promise<{ readonly outputs: readonly Tensor[] }>;
}

/** Rows of `sample` are tested before generated ones; null: there are none. Rejects with `WorkerLost`. */
export function probeModel(link: LoadedLink, signature: Signature, sample: SampleBody | null): Promise<Batchability> {
  const run = async (inputs: readonly Tensor[]): Promise<readonly Tensor[]> => {
    const parts = inputs.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
    return (await link.run(parts)).outputs;
  };
  // A fixed seed, so that the result does not depend on the time of registration.
  return probeBatchability(signature, run, { random: new SeededRandom(1), realRows: sample === null ? [] : firstRows(signature, sample) });
}
