import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { LastLines } from '../../runtime/index.ts';
import { ConcurrencyLimiter } from '../concurrency-limiter.ts';

async function printed(...chunks: string[]): Promise<{ lines: LastLines; heard: string[] }> {
  const [lines, heard, stream] = [new LastLines(), [] as string[], new PassThrough()];
  lines.follow(stream, (line) => heard.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await once(stream, 'close');
  return { lines, heard };
}

test('splits lines regardless of chunks; the last needs no line end', async () => {
  const { heard } = await printed('one\ntw', 'o\n\nth', 'ree');
  assert.deepEqual(heard, ['one', 'two', 'three']);
});

test('retains the last twenty', async () => {
  const { lines, heard } = await printed(Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join(''));
  assert.equal(heard.length, 50);
  assert.deepEqual(lines.toString().split('\n').length, 20);
  assert.match(lines.toString(), /line 49$/);
});

test('truncates an endless line to bound memory', async () => {
  const { heard } = await printed('x'.repeat(2_500));
  assert.deepEqual(
    heard.map((line) => line.length),
    [1000, 1000, 500],
  );
});

test('a line names the call that a Python worker marked, until the next mark; the marks are removed', async () => {
  const [lines, heard, stream] = [new LastLines(), [] as unknown[], new PassThrough()];
  lines.follow(stream, (line, call) => heard.push([line, call]));
  for (const chunk of [
    'before\n\u001e@',
    '7\u001eone\ntwo\n\u001e@0\u001e',
    'between\n\u001e@0\u001e\u001e@8\u001ethree\n',
    '\u001e@0\u001e',
  ])
    stream.write(chunk);
  stream.end('\u001e@x\u001eno mark\n');
  await once(stream, 'close');
  const marked = [
    ['before', null],
    ['one', 7],
    ['two', 7],
    ['between', null],
    ['three', 8],
    ['\u001e@x\u001eno mark', null],
  ];
  assert.deepEqual(heard, marked);
  assert.match(lines.toString(), /^before\none\ntwo\nbetween/);
});

test('a limiter admits a limited number, and others in order as slots become free', async () => {
  const limiter = new ConcurrencyLimiter(2);
  const inside: number[] = [];
  const visit = async (id: number) => {
    const leave = await limiter.enter();
    inside.push(id);
    return leave;
  };
  const [leaveFirst] = await Promise.all([visit(1), visit(2)]);
  const third = visit(3);
  const fourth = visit(4);
  await Promise.resolve();
  assert.deepEqual(inside, [1, 2]);
  leaveFirst();
  leaveFirst(); // once is enough
  const leaveThird = await third;
  assert.deepEqual(inside, [1, 2, 3]);
  leaveThird();
  await fourth;
  assert.deepEqual(inside, [1, 2, 3, 4]);
});
