import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameFor } from './model-source.ts';

const nameOf = (path: string): string => nameFor({ kind: 'file', path, bytes: 1, data: [] });

test('a model is named after its file, without the ending of a format and of its packing', () => {
  const names = ['models/digits_mlp.onnx', 'iris.tar.gz', 'churn.joblib.gz', 'churn.pkl.z', 'boost.json', 'net.pt2'].map(nameOf);
  assert.deepEqual(names, ['digits-mlp', 'iris', 'churn', 'churn', 'boost', 'net']);
});

test('a file whose name is not a valid name is rejected with what to do', () => {
  assert.throws(() => nameOf('net v1.2.onnx'), {
    message: /'net v1\.2\.onnx' is not a valid name: rename the file, or give a name after it/,
  });
});
