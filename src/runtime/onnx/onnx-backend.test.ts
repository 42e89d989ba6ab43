/** A sample of the ONNX project's backend tests: what onnxruntime runs is served with equal results, or refused by its type. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { caseDifference, onnxCases } from '../../../test/models/onnx-cases.ts';
import { describeModel } from '../probe/inspect.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
});
after(() => rmSync(folder, { recursive: true }));

for (const each of onnxCases(fileURLToPath(new URL('../../../test/models/onnx-backend/', import.meta.url)))) {
  const { name, modelPath, inputs, unserved } = each;
  test(`${name} ${unserved === null ? 'is equal' : `(${unserved}) is refused`}`, async () => {
    const describing = describeModel({ path: modelPath, data: [] }, join(folder, 'rewritten.onnx'), () => 0);
    if (unserved !== null) {
      await assert.rejects(describing, { code: 'unsupported', message: /^(input|output) '.*' has the type [\w(),]+/ });
      return;
    }
    const { model } = await describing;
    const outputs = model.outputs(model.run(model.feeds(inputs)));
    assert.equal(caseDifference(outputs, each), null);
    model.release();
  });
}
