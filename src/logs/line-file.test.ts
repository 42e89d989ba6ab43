import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { LineFile } from './line-file.ts';

let directory = '';
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'penstock-lines-'));
});
after(async () => rm(directory, { recursive: true, force: true }));

const clock = new VirtualClock();
const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise(setImmediate);
};
const failOnError = (error: unknown): never => {
  throw error;
};

test('writes every line, in order', async () => {
  const path = join(directory, 'new', 'order.log');
  const file = new LineFile(path, { clock, fileBytesMax: 2 ** 20, files: 3, onWriteFailure: failOnError });
  const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index}\n`);
  for (const line of lines) file.write(line);
  await file.flush();
  file.write('last\n');
  await file.close();
  assert.equal(await readFile(path, 'utf8'), `${lines.join('')}last\n`);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('writes lines longer than a block, in any script, whole and in order', async () => {
  const path = join(directory, 'long.log');
  const file = new LineFile(path, { clock, fileBytesMax: 2 ** 26, files: 3, onWriteFailure: failOnError });
  const lines = [300_000, 10, 90_000, 2_000_000, 7, 90_000, 90_000].map((length, i) => `${i} ${'水é\u{1f30a}x'.repeat(length / 5)}\n`);
  for (const line of lines) {
    file.write(line);
    await new Promise(setImmediate); // lines arrive while others are being written
  }
  await file.close();
  assert.equal(await readFile(path, 'utf8'), lines.join(''));
  assert.equal(file.dropped, 0);
});

test('writes a single line after a short delay', async () => {
  const path = join(directory, 'lonely.log');
  const own = new VirtualClock();
  const file = new LineFile(path, { clock: own, fileBytesMax: 2 ** 20, files: 3, onWriteFailure: failOnError });
  file.write('alone\n');
  own.advance(200);
  await file.flush(); // nothing is pending: waits for the write that the timer started
  assert.equal(await readFile(path, 'utf8'), 'alone\n');
  await file.close();
});

test('delays a few lines that arrive during a write', async () => {
  const path = join(directory, 'few.log');
  const own = new VirtualClock();
  const file = new LineFile(path, { clock: own, fileBytesMax: 2 ** 20, files: 3, onWriteFailure: failOnError });
  file.write('first\n');
  own.advance(200); // the write is in progress
  file.write('second\n');
  await until(async () => (await readFile(path, 'utf8').catch(() => '')) === 'first\n');
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.equal(await readFile(path, 'utf8'), 'first\n');
  await until(async () => {
    own.advance(200); // more than once: the first line may be in the file before its write has ended, which arms the timer again
    return (await readFile(path, 'utf8')) === 'first\nsecond\n';
  });
  file.write('third\n');
  own.advance(200);
  file.write('fourth\n');
  await file.flush();
  assert.equal(await readFile(path, 'utf8'), 'first\nsecond\nthird\nfourth\n');
  await file.close();
});

test('appends to the existing file after a restart', async () => {
  const path = join(directory, 'again.log');
  for (const word of ['one\n', 'two\n']) {
    const file = new LineFile(path, { clock, fileBytesMax: 2 ** 20, files: 3, onWriteFailure: failOnError });
    file.write(word);
    await file.close();
  }
  assert.equal(await readFile(path, 'utf8'), 'one\ntwo\n');
});

test('stays within its disk limit and retains the newest lines', async () => {
  const path = join(directory, 'bounded', 'x.log');
  const file = new LineFile(path, { clock, fileBytesMax: 1000, files: 3, onWriteFailure: failOnError });
  for (let index = 0; index < 100; index++) {
    file.write(`${String(index).padStart(99, '.')}\n`);
    await file.flush();
  }
  await file.close();
  assert.deepEqual((await readdir(join(directory, 'bounded'))).sort(), ['x.log', 'x.log.1', 'x.log.2']);
  const retained = (
    await Promise.all(['x.log.2', 'x.log.1', 'x.log'].map((name) => readFile(join(directory, 'bounded', name), 'utf8')))
  ).join('');
  const numbers = retained
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.replaceAll('.', '')));
  assert.deepEqual(
    numbers,
    Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index),
  );
  assert(numbers.length > 20 && numbers.length <= 30, `${numbers.length}`);
});

test('drops and counts lines while writing fails, reports it once, and recovers', async () => {
  const path = join(directory, 'trouble.log');
  await mkdir(path); // a directory blocks the file's path
  const troubles: unknown[] = [];
  const file = new LineFile(path, { clock, fileBytesMax: 1000, files: 3, onWriteFailure: (error) => troubles.push(error) });
  file.write('lost 1\n');
  await file.flush();
  file.write('lost 2\n');
  await file.flush();
  assert.equal(file.dropped, 2);
  assert.equal(troubles.length, 1);
  await rmdir(path);
  file.write('kept\n');
  await file.close();
  const text = await readFile(path, 'utf8');
  assert.match(text, /^\n\{"at":\d+,"level":40,"message":"2 lines are missing here: they could not be written"\}\nkept\n$/);
});

test('drops lines instead of using more memory if they arrive faster than they are written', async () => {
  const file = new LineFile(join(directory, 'fast.log'), { clock, fileBytesMax: 2 ** 30, files: 3, onWriteFailure: failOnError });
  const line = `${'x'.repeat(1023)}\n`;
  for (let index = 0; index < 20_000; index++) file.write(line); // 20 MB without a pause
  assert(file.dropped > 5000, `${file.dropped}`);
  await file.close();
});
