import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import {
  type AttributeProto,
  AttributeProtoSchema,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  SparseTensorProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  TrainingInfoProtoSchema,
} from 'onnx-buf';
import { setExternal, withExternalData } from '../../../test/models/external.ts';
import { modelPath } from '../../../test/models/index.ts';
import { PlatformError } from '../../errors.ts';
import { dataFileNames } from './data-file-names.ts';
import { checkExternalData } from './external-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-data-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const digits = readFileSync(modelPath('digits_mlp'));

/** A tensor of 8 bytes in a data file. */
function tensorIn(location: string, entries: Readonly<Record<string, string | number>> = { offset: 0, length: 8 }): TensorProto {
  const tensor = create(TensorProtoSchema, { name: 'w', dims: [2n], dataType: TensorProto_DataType.FLOAT });
  setExternal(tensor, { location, ...entries });
  return tensor;
}

function modelWith(...tensors: readonly TensorProto[]): ModelProto {
  return create(ModelProtoSchema, { irVersion: 10n, graph: create(GraphProtoSchema, { initializer: [...tensors] }) });
}

/** The names that a client finds in the file. */
function namesIn(model: ModelProto): string[] {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, toBinary(ModelProtoSchema, model));
  return dataFileNames(path);
}

/** A model with a tensor at every place where ONNX allows one, each in another file. */
function tensorsEverywhere(): ModelProto {
  let count = 0;
  const next = (): TensorProto => tensorIn(`data/${count++}`);
  const sparse = () => create(SparseTensorProtoSchema, { values: next(), indices: next(), dims: [2n] });
  const graph = (depth: number): GraphProto =>
    create(GraphProtoSchema, { initializer: [next()], sparseInitializer: [sparse()], node: depth === 0 ? [] : [node(depth)] });
  const node = (depth: number): NodeProto => create(NodeProtoSchema, { opType: 'If', attribute: [attribute(depth)] });
  const attribute = (depth: number): AttributeProto =>
    create(AttributeProtoSchema, {
      name: 'a',
      t: next(),
      tensors: [next()],
      sparseTensor: sparse(),
      sparseTensors: [sparse()],
      g: graph(depth - 1),
      graphs: [graph(depth - 1)],
    });
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    graph: graph(2),
    functions: [create(FunctionProtoSchema, { node: [node(1)], attributeProto: [attribute(1)] })],
    trainingInfo: [create(TrainingInfoProtoSchema, { initialization: graph(0), algorithm: graph(1) })],
  });
  assert(count > 50);
  return model;
}

test('finds the data files of tensors at every place, for the client and for the worker', () => {
  const model = tensorsEverywhere();
  const names = namesIn(model);
  const files = names.map((name) => ({ name, bytes: 8 }));
  assert.deepEqual(checkExternalData(model, files).toSorted(), names.toSorted());
  assert(names.length > 50);
});

test('a model in one file needs no others, and a file that is not a model names none', () => {
  assert.deepEqual(dataFileNames(modelPath('digits_mlp')), []);
  assert.deepEqual(checkExternalData(fromBinary(ModelProtoSchema, digits), []), []);
  const path = join(folder, 'other');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      writeFileSync(path, bytes);
      dataFileNames(path);
    }),
  );
});

test('a damaged model is read to an end by the client, whatever was changed', () => {
  const { model } = withExternalData(digits);
  const path = join(folder, 'damaged.onnx');
  fc.assert(
    fc.property(fc.nat(model.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(model);
      damaged[at] = byte;
      writeFileSync(path, damaged);
      try {
        dataFileNames(path);
      } catch (error) {
        assert(error instanceof PlatformError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});

test('accepts files of exactly the size that the tensors need', () => {
  const { model, data } = withExternalData(digits, './weights/all.bin');
  const parsed = fromBinary(ModelProtoSchema, model);
  assert.deepEqual(checkExternalData(parsed, [{ name: 'weights/all.bin', bytes: data.length }]), ['weights/all.bin']);
  const half = create(TensorProtoSchema, { name: 'q', dims: [3n], dataType: TensorProto_DataType.INT4 });
  setExternal(half, { location: 'q' });
  assert.deepEqual(checkExternalData(modelWith(half), [{ name: 'q', bytes: 2 }]), ['q']);
});

for (const [what, model, files, message] of [
  ['a missing file', modelWith(tensorIn('a.data')), [], /^the data file a\.data is missing: one tensor is in it, expected 8 bytes/],
  ['a shorter file', modelWith(tensorIn('a.data')), [['a.data', 7]], /^the data file a\.data is cut off: expected 8 bytes, got 7/],
  ['a longer file', modelWith(tensorIn('a.data')), [['a.data', 9]], /^the data file a\.data is too long: expected 8 bytes.* got 9/],
  ['a file of another name', modelWith(tensorIn('a.data')), [['b.data', 8]], /a\.data is missing/],
  [
    'a path that leads out',
    modelWith(tensorIn('../keys.json')),
    [],
    /'w' is in the data file '\.\.\/keys\.json', which leads out of the folder/,
  ],
  ['a hidden path that leads out', modelWith(tensorIn('a/../../b')), [], /leads out of the folder/],
  ['an absolute path', modelWith(tensorIn('/etc/passwd')), [], /which is an absolute path/],
  ['a path of Windows', modelWith(tensorIn('C:\\data')), [], /which is an absolute path/],
  ['a backslash', modelWith(tensorIn('..\\data')), [], /has a backslash/],
  ['no location', modelWith(tensorIn('')), [], /which names no file/],
  ['an address in memory', modelWith(tensorIn('*/_ORT_MEM_ADDR_/*')), [['*/_ORT_MEM_ADDR_/*', 8]], /which names memory/],
  ['its own name', modelWith(tensorIn('model.onnx')), [['model.onnx', 8]], /which is the name of the model itself/],
  [
    'another length than its shape',
    modelWith(tensorIn('a', { length: 4 })),
    [['a', 8]],
    /says that it has 4 bytes in a: expected 8 for \[2\]/,
  ],
  ['a negative offset', modelWith(tensorIn('a', { offset: -8 })), [['a', 8]], /has the offset '-8': expected a number of bytes/],
  ['an impossible offset', modelWith(tensorIn('a', { offset: '9'.repeat(30) })), [['a', 8]], /expected a number of bytes/],
] as const) {
  test(`rejects ${what}, and says what was expected`, () => {
    const sizes = files.map(([name, bytes]) => ({ name, bytes }));
    assert.throws(
      () => checkExternalData(model, sizes),
      (error) => {
        assert(error instanceof PlatformError);
        assert.equal(error.code, 'invalid_request');
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
