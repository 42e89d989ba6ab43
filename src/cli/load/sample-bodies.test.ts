/** Made-up rows of a load test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyRows, decodeRows } from '../../codecs/index.ts';
import { SeededRandom } from '../../random.ts';
import { type Datatype, datatypes, type Signature } from '../../tensor.ts';
import { sampleBodies } from './sample-bodies.ts';

const signatureOf = (...inputs: Signature['inputs']): Signature => ({ inputs, outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }] });

for (const datatype of Object.keys(datatypes) as Datatype[]) {
  test(`rows of ${datatype} are what the invoke API decodes`, () => {
    const signature = signatureOf({ name: 'x', datatype, shape: [-1, 3] }, { name: 'mask', datatype: 'INT64', shape: [-1, -1] });
    const { contentType, bodies, rowsCount } = sampleBodies(signature, new SeededRandom(1));
    assert.equal(rowsCount, 16);
    for (const body of bodies) {
      const [only, ...others] = decodeRows({ signature, contentType, body: Buffer.from(body), label: undefined, limits: anyRows });
      assert.deepEqual([only?.rows, others.length], [1, 0]);
    }
    assert.equal(new Set(bodies).size > 1, true, 'the rows differ');
  });
}

test('large rows are few, so that they fit into memory', () => {
  const { bodies } = sampleBodies(signatureOf({ name: 'image', datatype: 'FP32', shape: [1, 3, 512, 512] }), new SeededRandom(1));
  assert.equal(bodies.length, 1);
});
