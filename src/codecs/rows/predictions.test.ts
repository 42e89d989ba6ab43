import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Datatype, Tensor } from '../../tensor.ts';
import { packElements } from './elements.ts';
import { predictionsCsv, predictionsCsvBytes, predictionsJson } from './predictions.ts';

const tensor = (name: string, datatype: Datatype, shape: readonly number[], values: readonly unknown[]): Tensor => ({
  name,
  datatype,
  shape,
  data: packElements(name, datatype, values),
});

test('one output: one value per row', () => {
  assert.equal(predictionsJson([tensor('y', 'FP64', [2, 2], [1, 2.5, 3, 4])], 2), '[[1,2.5],[3,4]]');
  assert.equal(predictionsJson([tensor('y', 'BYTES', [2], ['a"b', 'c'])], 2), '["a\\"b","c"]');
});

test('several outputs: one object per row', () => {
  const outputs = [tensor('label', 'INT64', [2], [7n, 9007199254740993n]), tensor('probabilities', 'FP64', [2, 1], [0.5, 1])];
  assert.equal(predictionsJson(outputs, 2), '[{"label":7,"probabilities":[0.5]},{"label":9007199254740993,"probabilities":[1]}]');
});

test('outputs that do not count rows: one prediction for the whole request', () => {
  const outputs = [tensor('y', 'FP64', [2, 1], [1, 2]), tensor('sum', 'FP64', [], [3])];
  assert.equal(predictionsJson(outputs, 2), '[{"y":[[1],[2]],"sum":3}]');
});

test('values that JSON cannot represent become null', () => {
  assert.equal(predictionsJson([tensor('y', 'FP32', [1, 3], [Number.NaN, Number.POSITIVE_INFINITY, 1])], 1), '[[null,null,1]]');
});

test('32-bit floats have the fewest identifying digits, in rows and alone; NaN is null', () => {
  const [third, numbers] = [1 / 3, [0.1, Number.NaN, -1e-9, Number.NEGATIVE_INFINITY]];
  assert.equal(predictionsJson([tensor('y', 'FP32', [2, 2], numbers)], 2), '[[0.1,null],[-1e-9,null]]');
  assert.equal(predictionsJson([tensor('y', 'FP32', [4], numbers)], 4), '[0.1,null,-1e-9,null]');
  assert.equal(predictionsJson([tensor('y', 'FP32', [1, 2, 1, 2], [0.1, 0.2, 0.3, 0.4])], 1), '[[[[0.1,0.2]],[[0.3,0.4]]]]');
  assert.equal(predictionsJson([tensor('y', 'FP64', [1, 1], [third])], 1), `[[${third}]]`);
  const lines = [tensor('label', 'BYTES', [2], ['a', 'b']), tensor('p', 'FP32', [2, 1], [0.1, 0.3])];
  assert.equal(predictionsCsv(lines, 2), 'a,0.1\nb,0.3\n');
});

test('as CSV: one line per row, with all outputs', () => {
  const outputs = [tensor('label', 'BYTES', [2], ['a "b", c', 'd']), tensor('p', 'FP64', [2, 2], [0.5, Number.NaN, 1, -1])];
  assert.equal(predictionsCsv(outputs, 2), '"a ""b"", c",0.5,NaN\nd,1,-1\n');
  assert.equal(predictionsCsv([tensor('id', 'INT64', [2], [9007199254740993n, 1n])], 2), '9007199254740993\n1\n');
});

test('as CSV: outputs that do not count rows make one line', () => {
  assert.equal(predictionsCsv([tensor('y', 'FP64', [2, 1], [1, 2]), tensor('sum', 'FP64', [], [3])], 2), '1,2,3\n');
});

test('as CSV in bytes: the same cells', () => {
  const outputs = [tensor('label', 'INT64', [2], [7n, 9007199254740993n]), tensor('p', 'FP32', [2, 2], [0.1, 1, 0.25, 1e-9])];
  assert.equal(predictionsCsvBytes(outputs, 2).toString(), '7,0.1,1\n9007199254740993,0.25,1e-9\n');
  const many = [
    tensor('wide', 'INT64', [3], [-(2n ** 63n), -1n, 2n ** 40n]),
    tensor('unsigned', 'UINT32', [3], [0, 999_999_999, 4_294_967_295]),
    tensor('double', 'FP64', [3], [1 / 3, -1e9, -0]),
    tensor('flag', 'BOOL', [3], [true, false, true]),
    tensor('half', 'FP16', [3], [0.5, -2, Number.NaN]),
  ];
  assert.equal(predictionsCsvBytes(many, 3).toString(), predictionsCsv(many, 3));
  assert.equal(predictionsCsv(outputs, 2), predictionsCsvBytes(outputs, 2).toString());
  const texts = [tensor('t', 'BYTES', [1], ['a,b']), tensor('y', 'FP64', [1], [0.5])];
  assert.equal(predictionsCsvBytes(texts, 1).toString(), predictionsCsv(texts, 1));
});
