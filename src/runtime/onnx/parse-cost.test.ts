import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type DescMessage, fromBinary, isMessage, type Message } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ModelProtoSchema } from 'onnx-buf';
import { withinCpuMs } from '../../../test/cpu-time.ts';
import { FuzzRandom } from '../../../test/fuzz/fuzz-random.ts';
import { mutateMessage, varint } from '../../../test/fuzz/protobuf-mutation.ts';
import { modelPath } from '../../../test/models/index.ts';
import { parseModel } from './onnx-file.ts';
import { parseCostBytesMax, parseCostOf } from './parse-cost.ts';

const mebibyte = 2 ** 20;
const fileBytes = 64 * mebibyte;

/** Content within the messages of these field numbers, the outermost first. Each begins with `number * 8 + 2` and its length. */
function within(numbers: readonly number[], content: Buffer): Buffer {
  // Only the heads are joined at each depth, because the content is large.
  let heads = Buffer.alloc(0);
  for (const number of numbers.toReversed()) {
    heads = Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(heads.length + content.length)), heads]);
  }
  return Buffer.concat([heads, content]);
}

const repeated = (...bytes: number[]): Buffer => Buffer.alloc(fileBytes, Buffer.from(bytes));
/** The graph, its node, and the node's attribute. */
const graph = 7;
const node = 1;
const attribute = 5;

/** Each is a file of 64 MiB. */
const files: Readonly<Record<string, () => Buffer>> = {
  'empty graphs': () => repeated(0x3a, 0),
  'empty functions': () => repeated(0xca, 0x01, 0),
  'unknown fields': () => repeated(0xf8, 0x07, 1),
  'numbers that no enum has': () => within([graph, node, attribute], repeated(0xa0, 0x01, 0x63)),
  'empty nodes': () => within([graph], repeated(0x0a, 0)),
  'empty names': () => within([graph, node], repeated(0x0a, 0)),
  'empty attributes': () => within([graph, node], repeated(0x2a, 0)),
  'empty strings of an attribute': () => within([graph, node, attribute], repeated(0x4a, 0)),
  'numbers of an attribute': () => within([graph, node, attribute], repeated(0x40, 1)),
  'packed numbers of an attribute': () => within([graph, node, attribute, 8], repeated(1)),
  'graphs in an attribute': () => within([graph, node, attribute], repeated(0x32, 0)),
  'empty tensors': () => within([graph], repeated(0x2a, 0)),
  'packed numbers of a tensor': () => within([graph, 5, 7], repeated(1)),
  'packed dimensions of a tensor': () => within([graph, 5, 1], repeated(1)),
  'empty dimensions of an input': () => within([graph, 11, 2, 1, 2], repeated(0x0a, 0)),
  'empty types of a sequence': () => within([graph, 11, 2, 4], repeated(0x0a, 0)),
  'unknown fields, 90 messages deep': () =>
    within([graph, ...Array.from({ length: 30 }, () => [node, attribute, 6]).flat()], repeated(0xf8, 0x07, 1)),
};

describe('an ONNX file of many fields is rejected before it is parsed', () => {
  for (const [what, make] of Object.entries(files)) {
    test(what, () => {
      const file = make();
      // One pass over at most all bytes takes 50 to 150 ms.
      withinCpuMs(1500, () => {
        assert.throws(() => parseModel(file), { code: 'invalid_request', message: /the file has too many fields: .*raw_data/ });
      });
    });
  }
});

test('weights as raw data cost nothing, however large they are', () => {
  const raw = within([graph, 5, 9], repeated(1));
  assert(parseCostOf(raw, parseCostBytesMax).costBytes < 2000);
});

test('a field of another wire type is damage, since the parser would read it as what it should be', () => {
  const { defect } = parseCostOf(Buffer.from([0x38, 0x00]), parseCostBytesMax);
  assert.equal(defect, 'field 7 has the wire type 0, expected 2');
  assert.throws(() => parseModel(Buffer.from([8, 8, 0x38, 0x00])), { code: 'invalid_request', message: /damaged \(field 7/ });
});

/** All values of a parsed message. */
function counted(message: Message): { messages: number; values: number } {
  const found = { messages: 0, values: 0 };
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    else if (isMessage(value)) {
      found.messages++;
      for (const [key, each] of Object.entries(value)) if (key !== '$typeName') visit(each);
    } else if (typeof value === 'object' && value !== null && 'case' in value) visit((value as { value?: unknown }).value);
    else found.values++;
  };
  visit(message);
  return found;
}

const schema: DescMessage = ModelProtoSchema;

for (const name of ['digits_mlp', 'breast_cancer_gbt', 'iris_rf_zipmap', 'test_dtypes']) {
  test(`the cost of ${name} is at least that of its messages, and far below the limit`, () => {
    const bytes = readFileSync(modelPath(name));
    const { costBytes, defect } = parseCostOf(bytes, parseCostBytesMax);
    const { messages } = counted(fromBinary(schema, bytes));
    assert.equal(defect, null);
    assert(costBytes >= 512 * (messages - 1), `${costBytes} for ${messages} messages`);
    assert(costBytes < parseCostBytesMax / 100, `${costBytes}`);
  });
}

test('no mutation of a model parses into more messages than were counted', () => {
  const bytes = readFileSync(modelPath('test_dtypes'));
  let parsed = 0;
  fc.assert(
    fc.property(fc.nat(2 ** 31), (seed) => {
      const mutated = mutateMessage(new FuzzRandom(seed), bytes);
      const { costBytes, defect } = parseCostOf(mutated, parseCostBytesMax);
      if (defect !== null) return;
      let model: Message;
      try {
        model = fromBinary(schema, mutated);
      } catch {
        return;
      }
      parsed++;
      const { messages } = counted(model);
      assert(costBytes >= 512 * (messages - 1), `${costBytes} for ${messages} messages`);
    }),
    { numRuns: 300 },
  );
  assert(parsed > 30, `only ${parsed} mutations parsed`);
});
