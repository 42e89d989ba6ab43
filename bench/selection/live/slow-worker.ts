/** Loaded before a worker: runs of the digits models take 200 times as long as measured, asleep, so that they need no processor. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OnnxModel } from '../../../src/runtime/onnx/onnx-model.ts';
import { slowMs } from './slow-times.ts';

const digest = (path: string | URL): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const names = new Map(
  ['digits_logreg', 'digits_mlp', 'digits_rf', 'digits_cnn'].map((name) => [
    digest(new URL(`../../../assets/catalogue/${name}.onnx`, import.meta.url)),
    name,
  ]),
);
const slow = new WeakMap<OnnxModel, string>();
const cell = new Int32Array(new SharedArrayBuffer(4));

const load = OnnxModel.load.bind(OnnxModel);
OnnxModel.load = (path, ...others) => {
  const model = load(path, ...others);
  const name = names.get(digest(path));
  if (name !== undefined) slow.set(model, name);
  return model;
};

// oxlint-disable-next-line typescript/unbound-method -- called with the model below
const { run } = OnnxModel.prototype;
OnnxModel.prototype.run = function (this: OnnxModel, feeds) {
  const startMs = performance.now();
  const values = run.call(this, feeds);
  const name = slow.get(this);
  const rows = Object.values(feeds)[0]?.dims[0] ?? 1;
  // Blocks, as onnxruntime does: the next run begins after it.
  if (name !== undefined) Atomics.wait(cell, 0, 0, Math.max(slowMs(name, rows) - (performance.now() - startMs), 0));
  return values;
};
