import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { modelPath } from '../../../test/models/index.ts';
import { PlatformError } from '../../errors.ts';
import { opsetsOf, parseModel, producerOf, propertiesOf } from './onnx-file.ts';
import { stripZipMaps } from './zip-map.ts';

const digits = readFileSync(modelPath('digits_mlp'));

function bytesAt(offset: number, text: string, length = 600): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.write(text, offset, 'latin1');
  return bytes;
}

for (const { what, bytes, message } of [
  { what: 'an empty file', bytes: Buffer.alloc(0), message: /empty \(0 bytes\)/ },
  { what: 'half a model', bytes: digits.subarray(0, 13_000), message: /cut off: it has 13000 bytes/ },
  { what: 'a model without its last byte', bytes: digits.subarray(0, -1), message: /cut off/ },
  { what: 'a web page', bytes: Buffer.from('\n<!DOCTYPE html><html><body>Sign in</body></html>'), message: /HTML page/ },
  { what: 'a Git LFS pointer', bytes: Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:aa'), message: /git lfs pull/ },
  { what: 'a tar', bytes: bytesAt(257, 'ustar'), message: /tar archive\. Unpack it/ },
  { what: 'a gzip', bytes: bytesAt(0, '\x1f\x8b\x08'), message: /gzip/ },
  { what: 'a PyTorch file', bytes: bytesAt(0, 'PK\x03\x04'), message: /PyTorch.*torch.onnx.export/ },
  { what: 'safetensors', bytes: bytesAt(0, '\x40\0\0\0\0\0\0\0{"__metadata__"'), message: /safetensors/ },
  { what: 'a pickle', bytes: bytesAt(0, '\x80\x04\x95'), message: /pickle, which is never opened/ },
  { what: 'an HDF5 file', bytes: bytesAt(0, '\x89HDF\r\n\x1a\n'), message: /HDF5/ },
  { what: 'a GGUF file', bytes: bytesAt(0, 'GGUF'), message: /GGUF/ },
  { what: 'JSON', bytes: Buffer.from('{"model": "digits", "layers": []}'), message: /JSON/ },
  { what: 'text', bytes: Buffer.from('sepal length,sepal width\n5.1,3.5\n'), message: /text file/ },
  { what: 'a few bytes', bytes: Buffer.from('hi'), message: /not an ONNX model/ },
  { what: 'an empty message', bytes: Buffer.from([8, 8]), message: /it has no graph/ },
]) {
  test(`rejects ${what} by name`, () => {
    assert.throws(() => parseModel(bytes), { name: 'PlatformError', code: 'invalid_request', message });
  });
}

test('any bytes are either parsed or rejected', () => {
  const refusesOrParses = (bytes: Buffer) => {
    try {
      parseModel(bytes);
    } catch (error) {
      assert(error instanceof PlatformError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => refusesOrParses(Buffer.from(bytes))));
  fc.assert(
    fc.property(fc.nat(digits.length - 1), fc.nat(255), (place, value) => {
      const damaged = Buffer.from(digits);
      damaged[place] = value;
      refusesOrParses(damaged);
    }),
    { numRuns: 30 },
  );
});

test('returns opsets, producer and properties', () => {
  const model = parseModel(readFileSync(modelPath('breast_cancer_gbt')));
  assert.deepEqual(opsetsOf(model), { 'ai.onnx': 17, 'ai.onnx.ml': 1 });
  assert.equal(producerOf(model), 'train-scripts');
  assert(Object.keys(propertiesOf(model)).length > 0);
});

test('a model without ZipMap is unchanged', () => {
  const model = parseModel(digits);
  assert.deepEqual(stripZipMaps(model), []);
  assert.deepEqual(toBinary(ModelProtoSchema, model), toBinary(ModelProtoSchema, parseModel(digits)));
});
