/** Registration of model files, valid and broken, with real workers. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { PlatformError } from '../../src/errors.ts';
import { LocalProvider } from '../../src/providers/index.ts';
import { type ControlPlane, openControlPlane } from '../control-plane.ts';
import { modelPath } from '../models/index.ts';

describe('a worker that inspects a registered file', () => {
  const clock = new SystemClock();
  let plane: ControlPlane;
  let provider: LocalProvider;

  before(async () => {
    plane = await openControlPlane({ clock, inspect: (path, rewriteTo) => provider.borrow((link) => link.inspect(path, rewriteTo)) });
    provider = new LocalProvider({ clock, log: plane.log, stateDirectory: plane.directory, warmWorkers: 1 });
    await provider.open();
  });

  after(async () => {
    await provider?.close();
    await plane?.close();
  });

  async function register(group: string, source: Uint8Array) {
    return (await plane.registry.register({ group, source, sourceName: `${group}.onnx`, who: 'me' })).version;
  }

  async function objects(): Promise<string[]> {
    const entries = await readdir(join(plane.directory, 'objects'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  }

  test('reads the signature, opsets and batchability', async () => {
    const version = await register('digits-mlp', await readFile(modelPath('digits_mlp')));
    assert.deepEqual(version.signature, {
      inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 10] },
      ],
    });
    assert.equal(version.opsets['ai.onnx'], 17);
    assert.equal(version.batchable, true);
    const coupled = await register('coupled', await readFile(modelPath('test_batch_coupled')));
    assert.equal(coupled.batchable, false);
    assert.ok(coupled.batchableReason.length > 0);
  });

  test('rewrites a ZipMap to a tensor with a note, and serves the rewritten file', async () => {
    const version = await register('iris-zipmap', await readFile(modelPath('iris_rf_zipmap')));
    assert.match(version.notes.join(), /ZipMap|probabilities/);
    assert.ok(version.signature.outputs.some(({ datatype, shape }) => datatype === 'FP32' && shape[1] === 3));
    assert.notEqual(version.artifact.sha256, version.sourceSha256);
    const files = await plane.registry.verifiedModelFiles(version);
    const again = await provider.borrow((link) => link.inspect(files, join(plane.directory, 'unused')));
    assert.equal(again.rewritten, false);
  });

  test('rejects a broken file with the reason, and leaves nothing behind', async () => {
    const whole = await readFile(modelPath('digits_rf'));
    const files: Record<string, Uint8Array> = {
      empty: new Uint8Array(),
      text: new TextEncoder().encode('This is not a model.'),
      truncated: whole.subarray(0, whole.length >> 1),
      noise: Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251),
    };
    const before = await objects();
    for (const [group, source] of Object.entries(files)) {
      await assert.rejects(register(group, source), (error) => error instanceof PlatformError && error.code === 'invalid_request', group);
    }
    const groups = (await plane.registry.groups()).map(({ name }) => name);
    assert.deepEqual(groups, ['coupled', 'digits-mlp', 'iris-zipmap']);
    assert.deepEqual(await objects(), before);
  });

  test('registers every catalogue model with the signature on its card', async () => {
    for (const entry of plane.registry.catalogue.entries) {
      const { version } = await plane.registry.registerFromCatalogue(entry.name, { who: 'me', group: `shop-${entry.name}` });
      assert.deepEqual(version.signature.inputs, [entry.input], entry.name);
    }
  });
});
