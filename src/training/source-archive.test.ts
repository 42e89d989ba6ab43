import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { TrainingFixture } from '../../test/training-fixture.ts';
import { tarOf } from '../tar/index.ts';
import { checkEntry, sourceFiles } from './source-archive.ts';

async function tar(files: Readonly<Record<string, string>>, change: (bytes: Buffer) => void = () => undefined): Promise<Buffer> {
  async function* entries() {
    for (const [path, text] of Object.entries(files)) {
      const bytes = Buffer.from(text);
      async function* content() {
        yield bytes;
      }
      yield { path, bytes: bytes.length, isExecutable: false, content: content() };
    }
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(entries())) chunks.push(chunk);
  const archive = Buffer.concat(chunks);
  change(archive);
  return archive;
}

/** Makes the first entry a link to `target`, or a device. */
function linkTo(target: string, type: '1' | '2' | '3' | '4'): (archive: Buffer) => void {
  return (archive) => {
    archive.write(type, 156, 'latin1');
    archive.write(target, 157, 'latin1');
    archive.write('00000000000\0', 124, 'latin1');
    archive.fill(' ', 148, 156);
    let sum = 0;
    for (const byte of archive.subarray(0, 512)) sum += byte;
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  };
}

describe('an archive of source code', { timeout: 60_000 }, () => {
  let fixture: TrainingFixture;
  before(async () => {
    fixture = await TrainingFixture.open();
  });
  after(() => fixture?.end());
  const add = (archive: Buffer) => fixture.training.addSource(Readable.from([archive]));

  test('is stored, packed or not', async () => {
    const archive = await tar({ 'b.py': 'x', './a/c.py': 'y' });
    assert.equal((await add(archive)).files, 2);
    assert.equal((await add(gzipSync(archive))).files, 2);
    assert.deepEqual(await sourceFiles(Readable.from([archive]), false), ['a/c.py', 'b.py']);
  });

  for (const [what, archive, message] of [
    ['..', tar({ '../x': '' }), /the source has the entry "\.\.\/x": expected paths inside the source/],
    ['an absolute path', tar({ '/etc/x': '' }), /the source has the entry "\/etc\/x"/],
    ['a link to the outside', tar({ 'a/x': '' }, linkTo('../../y', '2')), /the source has the link "a\/x" to "\.\.\/\.\.\/y"/],
    ['a hard link', tar({ x: '' }, linkTo('y', '1')), /the source has the link "x"/],
    ['a character device', tar({ x: '' }, linkTo('', '3')), /neither a file, a folder nor a link/],
    ['a block device', tar({ x: '' }, linkTo('', '4')), /neither a file, a folder nor a link/],
    ['a damaged gzip file', tar({ x: 'y' }).then((bytes) => gzipSync(bytes).subarray(0, 40)), /damaged gzip file/],
    ['something else', Promise.resolve(Buffer.alloc(1024, 'a')), /this is not a tar archive/],
  ] as const) {
    test(`is rejected with ${what}`, async () => assert.rejects(add(await archive), message));
  }

  test('is rejected if it has a million entries', async () => {
    const one = (await tar({ x: '' })).subarray(0, 512);
    const archive = gzipSync(Buffer.concat([Buffer.concat(Array.from({ length: 1_000_000 }, () => one)), Buffer.alloc(1024)]), {
      level: 1,
    });
    await assert.rejects(add(archive), /entries/);
  });

  test('is rejected if it unpacks to more than 1 GiB', async () => {
    const archive = await tar({ x: '' }, (bytes) => {
      bytes.write('77777777777\0', 124, 'latin1');
      bytes.fill(' ', 148, 156);
      let sum = 0;
      for (const byte of bytes.subarray(0, 512)) sum += byte;
      bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    });
    await assert.rejects(add(gzipSync(archive)), /unpacks to more than 1 GiB/);
  });

  test('must have the entry', () => {
    checkEntry('train.py', ['train.py']);
    checkEntry('package.module', ['package/module.py']);
    assert.throws(() => checkEntry('other.py', ['train.py']), /entry 'other\.py' is not in the source, which has train\.py/);
    assert.throws(() => checkEntry('src', ['src/train.py']), /entry 'src' is a folder: expected a file such as src\/train\.py/);
  });

  test('makes room at once if no job is made of it', async () => {
    for (let at = 0; at < 110; at++) {
      const { discard } = await add(await tar({ 'c.py': String(at) }));
      await discard();
    }
  });

  test('waits for its job with at most 99 others, and no longer once it has one', async () => {
    const archive = await tar({ 'train.py': 'print(1)' });
    const { sha256 } = await add(archive);
    const others = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => tar({ 'b.py': String(i) }).then(add)));
    const refused = others.filter(({ status }) => status === 'rejected').map((other) => String((other as PromiseRejectedResult).reason));
    assert(refused.length > 0);
    for (const reason of refused) assert.match(reason, /100 sources wait for their jobs/);
    const job = { ...fixture.spec('with-source', ''), command: null, entry: 'train.py', environment: 'system', source: { sha256 } };
    await fixture.training.create(job, 'tester');
    await add(await tar({ 'b.py': 'another' }));
    await fixture.over('with-source');
  });
});
