/**
 * Feeds every decoder of bodies and archives with fast-check: it decodes or throws a `PlatformError`, and its cost grows only with the
 * number of bytes.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import {
  decodeCsv,
  decodeGenerate,
  decodeJson,
  decodeJsonRows,
  decodeMessage,
  decodeNpy,
  decodeRaw,
  decodeRequest,
  ModelPlan,
  npyFile,
  parseBounded,
  readInferMessage,
} from '../../src/codecs/index.ts';
import { PlatformError } from '../../src/errors.ts';
import { loadProtocol } from '../../src/oip/grpc/protocol.ts';
import { inspectBundle } from '../../src/runtime/process/process-bundle.ts';
import { readTar, tarOf } from '../../src/tar/index.ts';
import { jsonSignature, type Signature } from '../../src/tensor.ts';
import { fuzzScale, fuzzSeed } from './campaign.ts';
import { FuzzRandom } from './fuzz-random.ts';
import { mutatedJson } from './http-content.ts';
import { mutateMessage } from './protobuf-mutation.ts';

const signatures: readonly Signature[] = [
  { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }] },
  { inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1, 1] }], outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1] }] },
  {
    inputs: [
      { name: 'a', datatype: 'INT64', shape: [-1, 2] },
      { name: 'b', datatype: 'BOOL', shape: [-1] },
      { name: 'c', datatype: 'FP16', shape: [-1, -1, 2] },
    ],
    outputs: [{ name: 'y', datatype: 'FP64', shape: [-1, 2] }],
  },
  { inputs: [{ name: 'x', datatype: 'UINT8', shape: [2, 2] }], outputs: [] },
  { inputs: [{ name: 'x', datatype: 'FP64', shape: [] }], outputs: [] },
  { inputs: [{ name: 'x', datatype: 'FP64', shape: [-1, 3], columns: ['a', 'b', 'c'] }], outputs: [] },
  jsonSignature,
];
const plans = signatures.map((signature) => new ModelPlan('fuzz', '1', signature, signature.inputs[0]?.shape[0] === -1));

const allowedCodes = ['invalid_request', 'unsupported', 'too_large'];
/** CPU time, which is independent of other load. Linear decoders take a tenth of it. */
const cpuMsPerMiB = 3000;

/** Runs a decoder. Any error must be the client's fault, and the cost must be proportional to the bytes. */
async function decoded(bytes: number, decode: () => unknown): Promise<void> {
  const start = process.cpuUsage();
  try {
    await decode();
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    assert(allowedCodes.includes(error.code), `${error.code}: ${error.message}`);
    assert(error.message.length < 5000, `the message has ${error.message.length} characters`);
  }
  const { user, system } = process.cpuUsage(start);
  const ms = (user + system) / 1000;
  const allowedMs = 500 + (cpuMsPerMiB * bytes) / 2 ** 20;
  assert(ms < allowedMs, `${bytes} bytes took ${Math.round(ms)} ms of CPU time`);
}

const runs = (count: number): fc.Parameters<unknown> => ({
  seed: fuzzSeed,
  numRuns: Math.ceil(count * fuzzScale),
  interruptAfterTimeLimit: 600_000,
});
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

/** A cell, number or word of a body: well-formed, nearly so, or not at all. */
const piece = fc.oneof(
  fc.double().map(String),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.constantFrom(
    '',
    '"',
    '""',
    '"a,b"',
    'NaN',
    '-Infinity',
    '1e999',
    '0x1',
    '1_0',
    ' 1',
    '1 ',
    '\ufeff',
    '\0',
    '\ud800',
    'true',
    'null',
    '[',
    '{',
    '\\',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const csvText = fc
  .array(fc.tuple(fc.array(piece, { maxLength: 5 }), fc.constantFrom('\n', '\r\n', '\r', '\n\n', '')), { maxLength: 8 })
  .map((lines) => lines.map(([cells, end]) => cells.join(',') + end).join(''));

const seedBodies: readonly unknown[] = [
  { instances: [[1, 2, 3]] },
  { instances: [{ a: [1, 2], b: true, c: [[0.5, 1]] }] },
  { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }] },
  {
    inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', parameters: { binary_data_size: 12 } }],
    outputs: [{ name: 'y', parameters: { classification: 2 } }],
  },
  { text_input: 'hello', parameters: { max: 1 } },
  [[1, 2, 3]],
  { dataframe_split: { columns: ['c', 'a', 'b'], data: [[1, 2, 3]] } },
  { dataframe_records: [{ a: 1, b: 2, c: 3 }] },
  { inputs: { a: [1], b: [2], c: [3] } },
  { features: [1, 2, 3] },
];
const jsonText = seeds.map((seed) => {
  const random = new FuzzRandom(seed);
  const text = JSON.stringify(mutatedJson(random, random.pick(seedBodies))) ?? '';
  return random.chance(0.3) ? random.mutate(Buffer.from(text)).toString('utf8') : text;
});

describe('a decoder with arbitrary input', () => {
  test('of CSV decodes or rejects', async () => {
    const property = fc.asyncProperty(csvText, async (text) => {
      for (const signature of signatures) await decoded(text.length, () => decodeCsv(signature, text));
    });
    await fc.assert(property, runs(400));
  });

  test('of JSON decodes or rejects', async () => {
    const property = fc.asyncProperty(jsonText, async (text) => {
      const body = Buffer.from(text);
      await decoded(body.length, () => parseBounded(text));
      for (const signature of signatures) await decoded(body.length, () => decodeJson(signature, text));
      for (const type of ['application/json', 'application/jsonlines', 'text/plain']) {
        await decoded(body.length, () => decodeJsonRows(jsonSignature, type, body));
      }
      for (const plan of plans) {
        await decoded(body.length, () => decodeRequest(plan, 0, body, undefined));
        await decoded(body.length, () => decodeGenerate(plan, 0, body));
      }
    });
    await fc.assert(property, runs(400));
  });

  test('of JSON with binary tensors decodes or rejects', async () => {
    const property = fc.asyncProperty(
      jsonText,
      fc.uint8Array({ maxLength: 40 }),
      fc.option(piece, { nil: undefined }),
      async (text, binary, header) => {
        const body = Buffer.concat([Buffer.from(text), binary]);
        for (const plan of plans) {
          await decoded(body.length, () => decodeRequest(plan, 0, body, header ?? String(Buffer.byteLength(text))));
          await decoded(body.length, () => decodeRaw(plan, body, binary.length % 2 === 0));
        }
      },
    );
    await fc.assert(property, runs(300));
  });

  test('of npy decodes or rejects', async () => {
    const files = signatures.map(({ inputs: [spec] }) => {
      assert(spec !== undefined);
      const bytes = { FP32: 12, BYTES: 5, INT64: 16, UINT8: 4, FP64: 8 }[spec.datatype as 'FP32'];
      const data = spec.datatype === 'BYTES' ? Buffer.from([1, 0, 0, 0, 97]) : Buffer.alloc(bytes, 1);
      const shape = spec.shape.map((size) => (size === -1 ? 1 : size));
      return npyFile({ datatype: spec.datatype, shape, data });
    });
    const property = fc.asyncProperty(seeds, fc.constantFrom(...npyHeaders), async (seed, header) => {
      const random = new FuzzRandom(seed);
      const file = random.chance(0.7) ? random.mutate(random.pick(files)) : npyOf(header, random.bytes(24));
      for (const signature of signatures) await decoded(file.length, () => decodeNpy(signature, file));
    });
    await fc.assert(property, runs(400));
  });

  test('of protobuf decodes or rejects', async () => {
    const definition = loadProtocol().inference['ModelInfer'];
    assert(definition !== undefined);
    const requests = [
      { model_name: 'm', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], contents: { fp32_contents: [1, 2, 3] } }] },
      {
        model_name: 'm',
        inputs: [{ name: 'text', datatype: 'BYTES', shape: [1, 1] }],
        raw_input_contents: [Buffer.from([1, 0, 0, 0, 97])],
      },
      {
        model_name: 'm',
        inputs: [{ name: 'a', datatype: 'INT64', shape: [1, 2], contents: { int64_contents: [1, 2] } }],
        parameters: { p: { double_param: 1 } },
      },
    ].map((request) => definition.requestSerialize(request));
    const property = fc.asyncProperty(seeds, async (seed) => {
      const random = new FuzzRandom(seed);
      const bytes = mutateMessage(random, random.pick(requests));
      for (const plan of plans) await decoded(bytes.length, () => decodeMessage(plan, 0, readInferMessage(bytes)));
    });
    await fc.assert(property, runs(500));
  });

  test('of tar decodes or rejects', async () => {
    const archive = await archiveOf({ 'a/b.txt': Buffer.from('hello'), c: Buffer.alloc(700, 1) });
    const property = fc.asyncProperty(seeds, fc.boolean(), async (seed, keepsSums) => {
      const mutated = new FuzzRandom(seed).mutate(archive);
      const bytes = keepsSums ? withChecksums(mutated) : mutated;
      await decoded(bytes.length, async () => {
        for await (const entry of readTar(pieces(bytes, 100))) if (entry.path.length % 2 === 0) for await (const _ of entry.content);
      });
    });
    await fc.assert(property, runs(300));
  });

  const folder = mkdtempSync(join(tmpdir(), 'penstock-fuzz-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('of a packed model decodes or rejects', async () => {
    const archive = await archiveOf({ 'serve.py': Buffer.from('x') });
    const file = join(folder, 'bundle');
    const property = fc.asyncProperty(seeds, async (seed) => {
      const random = new FuzzRandom(seed);
      const inner = random.chance(0.5) ? withChecksums(random.mutate(archive)) : archive;
      const packed = random.chance(0.5) ? random.mutate(gzipSync(inner)) : gzipSync(inner);
      writeFileSync(file, packed);
      await decoded(packed.length, () => inspectBundle(file, 2 ** 20));
    });
    await fc.assert(property, runs(60));
  });
});

describe('a megabyte of repeated input', () => {
  const size = 2 ** 20;
  const repeated = (unit: string): string => unit.repeat(size / unit.length);
  for (const unit of [
    '[',
    '{"a":',
    '1,',
    '"',
    '""',
    '",\n',
    ',',
    '\n',
    '\r',
    ' ',
    'a',
    '\\u0000',
    '1e9',
    '[],',
    '{"x":[1,2,3]},',
    '"a",',
    '\0',
    'é',
  ]) {
    test(`made of ${JSON.stringify(unit)} costs no more than its bytes`, async () => {
      const text = repeated(unit);
      const wrapped = `{"instances":[${text.slice(0, -1)}]}`;
      const [first, second] = signatures as [Signature, Signature];
      const [plan] = plans as [ModelPlan];
      await decoded(size, () => decodeCsv(first, text));
      await decoded(size, () => decodeCsv(second, text));
      await decoded(size, () => decodeJson(first, text));
      await decoded(size, () => decodeJson(first, wrapped));
      await decoded(size, () => decodeRequest(plan, 0, Buffer.from(text), undefined));
      await decoded(size, () => decodeNpy(first, npyOf(text, Buffer.alloc(0))));
      await decoded(size, () => decodeMessage(plan, 0, readInferMessage(Buffer.from(text))));
    });
  }
});

const npyHeaders: readonly string[] = [
  "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }",
  "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3), }",
  "{'descr': '>f8', 'fortran_order': False, 'shape': (3,), }",
  "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
  "{'descr': '<U99999999999', 'fortran_order': False, 'shape': (1,), }",
  "{'descr': '<U0', 'fortran_order': False, 'shape': (99999999,), }",
  "{'descr': '|S0', 'fortran_order': False, 'shape': (4294967296,), }",
  "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 0), }",
  "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }",
  "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
  '{',
  '',
];

function npyOf(header: string, data: Buffer): Buffer {
  const head = Buffer.from(header, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  return Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), length, head, data]);
}

/** Corrects the checksum of each block that may be a header, so that the decoder reads its contents. */
function withChecksums(archive: Buffer): Buffer {
  const bytes = Buffer.from(archive);
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const header = bytes.subarray(at, at + 512);
    if (header.toString('latin1', 257, 262) !== 'ustar') continue;
    header.fill(' ', 148, 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
  }
  return bytes;
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function archiveOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const entries = Object.entries(files).map(([path, content]) => ({
    path,
    bytes: content.length,
    isExecutable: false,
    content: pieces(content, 1000),
  }));
  const parts: Uint8Array[] = [];
  for await (const part of tarOf(Readable.from(entries) as AsyncIterable<(typeof entries)[number]>)) parts.push(part);
  return Buffer.concat(parts);
}
