import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { LastLines } from '../runtime/index.ts';
import { Turnstile } from './turnstile.ts';

async function printed(...chunks: string[]): Promise<{ lines: LastLines; heard: string[] }> {
  const [lines, heard, stream] = [new LastLines(), [] as string[], new PassThrough()];
  lines.follow(stream, (line) => heard.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await once(stream, 'close');
  return { lines, heard };
}

test('lines are lines, in whatever pieces they arrive; the last needs no end', async () => {
  const { heard } = await printed('one\ntw', 'o\n\nth', 'ree');
  assert.deepEqual(heard, ['one', 'two', 'three']);
});

test('keeps the last twenty', async () => {
  const { lines, heard } = await printed(Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join(''));
  assert.equal(heard.length, 50);
  assert.deepEqual(lines.toString().split('\n').length, 20);
  assert.match(lines.toString(), /line 49$/);
});

test('a line without end is cut, so that memory stays bounded', async () => {
  const { heard } = await printed('x'.repeat(2_500));
  assert.deepEqual(
    heard.map((line) => line.length),
    [1000, 1000, 500],
  );
});

test('a turnstile lets so many in, the others in order as places are left', async () => {
  const turnstile = new Turnstile(2);
  const inside: number[] = [];
  const visit = async (who: number) => {
    const leave = await turnstile.enter();
    inside.push(who);
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
