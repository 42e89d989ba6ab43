import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readTar } from './read-tar.ts';
import { type TarFile, tarOf } from './write-tar.ts';

type Content = readonly { readonly path: string; readonly text: string }[];

async function* filesOf(content: Content): AsyncGenerator<TarFile> {
  for (const { path, text } of content) {
    const bytes = Buffer.from(text);
    yield { path, bytes: bytes.length, isExecutable: path.endsWith('.sh'), content: chunksOf(bytes, 7) };
  }
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function packed(content: Content): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(filesOf(content))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function unpacked(archive: Uint8Array, chunkBytes = 1000) {
  const entries = [];
  for await (const { content, ...entry } of readTar(chunksOf(archive, chunkBytes))) {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    entries.push({ ...entry, text: Buffer.concat(chunks).toString() });
  }
  return entries;
}

test('packed files are read back unchanged, regardless of their names and of chunk boundaries', async () => {
  const path = fc.array(fc.stringMatching(/^[a-zé.]{1,80}$/), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const files = fc.array(fc.record({ path, text: fc.string({ maxLength: 2000 }) }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(files, fc.integer({ min: 1, max: 3000 }), async (content, chunkBytes) => {
      const entries = await unpacked(await packed(content), chunkBytes);
      assert.deepEqual(
        entries.map(({ path: name, text }) => ({ path: name, text })),
        content.map((file) => ({ ...file })),
      );
    }),
    { numRuns: 60 },
  );
});

describe("the system's tar", () => {
  const run = (args: readonly string[], cwd: string, input?: Buffer) =>
    spawnSync('tar', args, { cwd, ...(input === undefined ? {} : { input }) });

  test('reads archives written here', async () => {
    const archive = await packed([{ path: `${'d'.repeat(90)}/${'é'.repeat(90)}.sh`, text: 'hello' }]);
    const { stdout, stderr } = run(['-xO'], tmpdir(), archive);
    assert.equal(stdout.toString(), 'hello', stderr.toString());
  });

  for (const format of ['gnu', 'pax', 'ustar']) {
    test(`writes the format ${format}, and its archives are read here with long names, links and permissions`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'penstock-tar-'));
      const long = `${'a'.repeat(60)}/${'b'.repeat(60)}`;
      spawnSync(
        'sh',
        [
          '-c',
          `mkdir -p ${long} && echo hi > ${long}/run.sh && chmod 755 ${long}/run.sh && ln -s run.sh ${long}/s && echo f > f && ln f h`,
        ],
        {
          cwd: directory,
        },
      );
      const { stdout } = run(['-c', `--format=${format}`, '--sort=name', '.'], directory);
      await rm(directory, { recursive: true });
      const entries = await unpacked(stdout);
      const files = entries.filter(({ kind }) => kind !== 'directory');
      assert.deepEqual(
        files.map(({ path, kind, link, isExecutable, text }) => [path, kind, link, isExecutable, text]),
        [
          [`./${long}/run.sh`, 'file', '', true, 'hi\n'],
          [`./${long}/s`, 'symlink', 'run.sh', true, ''],
          ['./f', 'file', '', false, 'f\n'],
          ['./h', 'hardlink', './f', false, ''],
        ],
      );
    });
  }
});

describe('rejects', () => {
  test('input that is not an archive', async () => {
    await assert.rejects(unpacked(Buffer.alloc(1024, 'x')), { code: 'invalid_request', message: /not a tar archive/ });
    await assert.rejects(unpacked(Buffer.from('short')), { code: 'invalid_request', message: /in the middle of a header/ });
  });

  test('a truncated archive', async () => {
    const archive = await packed([{ path: 'a', text: 'a'.repeat(600) }]);
    await assert.rejects(unpacked(archive.subarray(0, 700)), { code: 'invalid_request', message: /in the middle of a file/ });
  });

  test('a device', async () => {
    const archive = await packed([{ path: 'a', text: '' }]);
    archive[156] = '3'.charCodeAt(0);
    archive.write('0', 148);
    let sum = 0;
    for (const [at, byte] of archive.subarray(0, 512).entries()) sum += at >= 148 && at < 156 ? 32 : byte;
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    await assert.rejects(unpacked(archive), { code: 'unsupported', message: /neither a file, a folder nor a link/ });
  });

  test('a pax header of thousands of records, and more of such headers than any archive has', async () => {
    const header = (type: string, content: string): Buffer => {
      const bytes = Buffer.alloc(512 + Math.ceil(content.length / 512) * 512);
      bytes.write('x'.padEnd(100, '\0') + '0000644\0', 0);
      bytes.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
      bytes.write(`        ${type}`, 148);
      const sum = bytes.reduce((total, byte) => total + byte, 0);
      bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      bytes.write(content, 512);
      return bytes;
    };
    async function* repeated(bytes: Buffer, times: number): AsyncGenerator<Buffer> {
      for (let i = 0; i < times; i++) yield bytes;
    }
    const read = async (archive: AsyncIterable<Uint8Array>): Promise<string[]> => {
      const paths: string[] = [];
      for await (const { path } of readTar(archive)) paths.push(path);
      return paths;
    };
    const records = (count: number): Buffer => header('x', '6 a=b\n'.repeat(count));
    assert.deepEqual(await read(repeated(Buffer.concat([records(1000), header('0', '')]), 3)), ['x', 'x', 'x']);
    await assert.rejects(read(repeated(records(1001), 1)), { code: 'invalid_request', message: /more than 1000 records/ });
    const long = header('x', `65000 a=${'b'.repeat(64_991)}\n`);
    await assert.rejects(read(repeated(long, 2000)), { code: 'invalid_request', message: /long names and pax headers/ });
  });

  test('accepts or rejects any bytes without failing', async () => {
    const archive = await packed([
      { path: 'some/file', text: 'text' },
      { path: 'é', text: 'x'.repeat(1000) },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
        const broken = Buffer.from(archive);
        broken[at] = byte;
        await unpacked(broken).catch((error: { code?: string }) => assert.match(String(error.code), /invalid_request|unsupported/));
      }),
      { numRuns: 300 },
    );
  });

  test('a file that changed while it was packed', async () => {
    const files = async function* (): AsyncGenerator<TarFile> {
      yield { path: 'a', bytes: 3, isExecutable: false, content: chunksOf(Buffer.from('long'), 9) };
    };
    await assert.rejects(async () => {
      for await (const _ of tarOf(files()));
    }, /changed while it was read/);
  });
});

test('an empty archive has no entries, nor has an empty input', async () => {
  assert.deepEqual(await unpacked(await packed([])), []);
  assert.deepEqual(await unpacked(Buffer.alloc(0)), []);
});
