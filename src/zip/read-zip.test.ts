import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type ZipItem, zipOf } from '../../test/models/zip.ts';
import { PlatformError } from '../errors.ts';
import { readZip } from './read-zip.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-zip-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** The files of an archive, as `path kind: text`. */
async function read(archive: Uint8Array): Promise<string[]> {
  const path = join(folder, 'archive.zip');
  await writeFile(path, archive);
  const found: string[] = [];
  for await (const entry of readZip(path)) {
    const chunks: Buffer[] = [];
    if (entry.kind === 'file') for await (const chunk of entry.content) chunks.push(chunk);
    const text = Buffer.concat(chunks);
    if (entry.kind === 'file') assert.equal(text.length, entry.bytes);
    found.push(`${entry.path} ${entry.kind}: ${text.toString('utf8').slice(0, 20)}`);
  }
  return found;
}

const file = (path: string, text: string, more: Partial<ZipItem> = {}): ZipItem => ({ path, bytes: Buffer.from(text), ...more });

test('yields stored and deflated files, folders, links and zip64 sizes', async () => {
  const archive = zipOf([
    file('model.onnx', 'graph'),
    file('model.onnx.data', 'x'.repeat(300_000), { method: 0 }),
    file('weights/', ''),
    file('weights/wide', 'wide', { isZip64: true }),
    file('empty', '', { method: 0 }),
    file('link', '/etc/passwd', { mode: 0o120777 }),
  ]);
  assert.deepEqual(await read(archive), [
    'model.onnx file: graph',
    `model.onnx.data file: ${'x'.repeat(20)}`,
    'weights/ directory: ',
    'weights/wide file: wide',
    'empty file: ',
    'link symlink: ',
  ]);
});

const hasZip = spawnSync('python3', ['-c', 'import zipfile']).status === 0;

test('reads what Python writes, also to a pipe', { skip: hasZip ? false : 'python3 is not installed' }, async () => {
  const path = join(folder, 'python.zip');
  for (const target of [`'${path}'`, `type('Pipe', (), {'write': f.write, 'flush': f.flush})()`]) {
    const program = `import zipfile
with open('${path}', 'wb') as f:
  with zipfile.ZipFile(${target}, 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('a/b.txt', 'hello ' * 1000)
    z.writestr('c.txt', 'c', zipfile.ZIP_STORED)`;
    execFileSync('python3', ['-c', program]);
    assert.deepEqual(await read(await readFile(path)), [`a/b.txt file: ${'hello '.repeat(4).slice(0, 20)}`, 'c.txt file: c']);
  }
});

for (const [what, archive, message] of [
  ['is cut off', zipOf([file('a', 'text')]).subarray(0, -5), /its end is missing, so it is cut off/],
  ['has an encrypted file', zipOf([file('a', 'text', { isEncrypted: true })]), /'a' in the zip archive is encrypted/],
  ['has an unknown compression', zipOf([file('a', 'text', { method: 14 })]), /compression method 14/],
  ['unpacks to more than it says', zipOf([file('a', 'x'.repeat(5000), { saidBytes: 100 })]), /'a' has another size/],
  ['unpacks to less than it says', zipOf([file('a', 'text', { saidBytes: 100 })]), /'a' has another size/],
  [
    'has damaged content',
    Buffer.from(
      zipOf([file('a', 'text', { method: 0 })])
        .toString('latin1')
        .replace('text', 'tExt'),
      'latin1',
    ),
    /checksum/,
  ],
] as const) {
  test(`rejects an archive that ${what}`, async () => {
    await assert.rejects(read(archive), (error) => error instanceof PlatformError && message.test(error.message));
  });
}

test('any bytes are either read or rejected', async () => {
  const archive = zipOf([file('model.onnx', 'graph'), file('b', 'x'.repeat(100), { isZip64: true })]);
  await fc.assert(
    fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), async (at, byte) => {
      const damaged = Buffer.from(archive);
      damaged[at] = byte;
      await read(damaged).catch((error: unknown) => assert(error instanceof PlatformError, String(error)));
    }),
    { numRuns: 200 },
  );
});
