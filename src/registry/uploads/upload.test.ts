import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { zipOf } from '../../../test/models/zip.ts';
import { type TarFile, tarOf } from '../../tar/index.ts';
import type { HeldFiles } from './artifacts.ts';
import { storeUpload } from './upload.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-upload-'));
after(() => rmSync(folder, { recursive: true }));

/** The files that an upload writes, with their size. */
function heldFiles() {
  const written: number[] = [];
  const sizeOf = async (source: AsyncIterable<Uint8Array> | Uint8Array): Promise<number> => {
    if (source instanceof Uint8Array) return source.length;
    let bytes = 0;
    for await (const piece of source) bytes += piece.length;
    return bytes;
  };
  const stage = async (source: AsyncIterable<Uint8Array> | Uint8Array) => {
    const bytes = await sizeOf(source);
    written.push(bytes);
    return { sha256: 'a'.repeat(64), bytes };
  };
  const held = { stage, store: stage, keep: async (staged: unknown) => staged, drop: async () => undefined } as unknown as HeldFiles;
  return { held, written };
}

async function archiveOf(files: readonly { readonly path: string; readonly bytes: number }[]): Promise<Buffer> {
  const all = async function* (): AsyncGenerator<TarFile> {
    for (const { path, bytes } of files) yield { path, bytes, isExecutable: false, content: pieceOf(bytes) };
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of tarOf(all())) pieces.push(piece);
  return gzipSync(Buffer.concat(pieces));
}

async function* pieceOf(bytes: number): AsyncGenerator<Uint8Array> {
  if (bytes > 0) yield Buffer.alloc(bytes);
}

test('an archive with too many small files is rejected before any of them is written', async () => {
  const archive = await archiveOf(Array.from({ length: 10_001 }, (_, i) => ({ path: `f${i}`, bytes: 10 })));
  const { held, written } = heldFiles();
  await assert.rejects(storeUpload(held, archive, 2 ** 30), /too many entries/);
  assert.deepEqual(written, []);
});

const large = Buffer.alloc(3_000_000);
for (const [what, archive, message] of [
  [
    'too many entries',
    zipOf(Array.from({ length: 10_001 }, (_, i) => ({ path: `f${i}`, bytes: large.subarray(0, 10) }))),
    /too many entries/,
  ],
  ['two models', zipOf(['a.onnx', 'data', 'b.onnx'].map((path) => ({ path, bytes: large }))), /exactly one \.onnx file, got 2/],
  ['a path twice', zipOf(['data', 'a.onnx', 'data'].map((path) => ({ path, bytes: large }))), /is in the archive twice/],
  ['too many bytes', zipOf(Array.from({ length: 4 }, (_, i) => ({ path: `f${i}`, bytes: large }))), /expected at most 10000000 bytes/],
] as const) {
  test(`a zip with ${what} is rejected by its list of files, before anything is unpacked`, async () => {
    const { held, written } = heldFiles();
    const temporaryPath = async () => join(folder, 'archive');
    await assert.rejects(storeUpload(Object.assign(held, { temporaryPath }), archive, 10_000_000), message);
    assert.deepEqual(written, []);
  });
}

test('a small archive may not unpack to gigabytes, but to 64 MiB', async () => {
  const zeros = (bytes: number) => [{ path: 'm/model.onnx', bytes }];
  const usable = await storeUpload(heldFiles().held, await archiveOf(zeros(60 * 2 ** 20)), 2 ** 31);
  assert.equal(usable.model.bytes, 60 * 2 ** 20);
  await assert.rejects(storeUpload(heldFiles().held, await archiveOf(zeros(100 * 2 ** 20)), 2 ** 31), {
    code: 'too_large',
    message: /more than 100 times its \d+ bytes: expected at most that, or 67108864 bytes/,
  });
  const temporaryPath = async () => join(folder, 'archive');
  const zip = zipOf([{ path: 'model.onnx', bytes: Buffer.alloc(100 * 2 ** 20) }]);
  await assert.rejects(storeUpload(Object.assign(heldFiles().held, { temporaryPath }), zip, 2 ** 31), /more than 100 times/);
});

test('the files of a usable archive are written, whatever their size', async () => {
  const sizes = [0, 10, 64 * 1024, 64 * 1024 + 1, 3_000_000];
  const archive = await archiveOf([{ path: 'm/model.onnx', bytes: 5 }, ...sizes.map((bytes, i) => ({ path: `m/data${i}`, bytes }))]);
  const { held, written } = heldFiles();
  const { others } = await storeUpload(held, archive, 2 ** 30);
  assert.deepEqual(
    others.map(({ path, bytes }) => [path, bytes]),
    sizes.map((bytes, i) => [`data${i}`, bytes]),
  );
  assert.deepEqual(
    written.toSorted((a, b) => a - b),
    [0, 5, 10, 64 * 1024, 64 * 1024 + 1, 3_000_000],
  );
});
