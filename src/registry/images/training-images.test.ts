import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { imageEntries } from './images.ts';
import { resolveTrainingImage } from './training-images.ts';

const table = imageEntries([
  { match: 'acme/trainer', runtime: 'process', command: ['python3', 'loop.py'], env: { MODE: 'fast' } },
  { match: 'acme/forest', runtime: 'python', environment: 'forest' },
  { match: 'acme/plain', runtime: 'python' },
  { match: 'acme/served', runtime: 'onnx' },
  { match: '*/tensorflow-training', runtime: 'python', environment: 'tf-2' },
]);
const ecr = '763104351884.dkr.ecr.us-east-1.amazonaws.com';

describe('a training image', () => {
  for (const [image, environment] of [
    ['683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3', 'sklearn'],
    [`${ecr}/pytorch-training:2.1-cpu-py310`, 'pytorch'],
    [`${ecr}/huggingface-pytorch-training:2.1-transformers4.36-gpu-py310`, 'pytorch'],
    ['sagemaker-xgboost:1.7-1', 'xgboost'],
    [`${ecr}/tensorflow-training:2.16`, 'tf-2'],
    ['penstock/python', 'python'],
    ['penstock/python:latest', 'python'],
    ['penstock/python:forest', 'forest'],
    ['localhost:5000/penstock/python:forest@sha256:abc', 'forest'],
    ['penstock/python@sha256:abc', 'python'],
    ['acme/forest:3', 'forest'],
    ['acme/plain', 'python'],
  ] as const) {
    test(`${image} runs in the environment ${environment}`, () => {
      assert.deepEqual(resolveTrainingImage(table, image), { environment, command: null, variables: {} });
    });
  }

  test('of the operator runs its command, with its variables', () => {
    const expected = { environment: null, command: ['python3', 'loop.py'], variables: { MODE: 'fast' } };
    assert.deepEqual(resolveTrainingImage(table, 'acme/trainer:2'), expected);
  });

  for (const image of ['acme/other', 'acme/served', 'penstock/onnx', 'evil/penstock-python', '', '@', ':']) {
    test(`${JSON.stringify(image)} is unknown, and the error names the table`, () => {
      assert.throws(() => resolveTrainingImage(table, image), {
        code: 'invalid_request',
        message: /images table: expected one of penstock\/python, .*acme\/trainer.*restart the server$/,
      });
    });
  }

  test('that is unknown, but of a framework, names its environment', () => {
    assert.throws(() => resolveTrainingImage(table, `${ecr}/pytorch-trcomp-training:2.1`), {
      message: /; or make the environment: penstock environments create pytorch$/,
    });
  });
});
