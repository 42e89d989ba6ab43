import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { WorkerExit } from '../../records/index.ts';
import { OutputBuffer, type OutputEvent } from './output-buffer.ts';

const line = (text: string, atMs = 0): OutputEvent => ({ kind: 'line', line: text, requestIds: [], atMs });
const exit = { reason: 'killed by SIGKILL' } as WorkerExit;

function takenOf(buffer: OutputBuffer, key: string): string[] {
  const texts: string[] = [];
  for (let event = buffer.take(key, 9); event !== null; event = buffer.take(key, 9)) {
    texts.push(event.kind === 'line' ? event.line : `end: ${event.exit?.reason ?? ''}`);
  }
  return texts;
}

test('lines and ends are returned once, in their order, and of each worker by itself', () => {
  const buffer = new OutputBuffer();
  buffer.add('a', line('1'));
  buffer.add('b', line('2'));
  buffer.add('a', { kind: 'exit', exit, atMs: 0 });
  buffer.add('a', line('3'));
  assert.deepEqual(takenOf(buffer, 'a'), ['1', 'end: killed by SIGKILL', '3']);
  assert(!buffer.has('a') && buffer.has('b'));
  buffer.forget('b');
  assert.deepEqual([takenOf(buffer, 'a'), takenOf(buffer, 'b')], [[], []]);
});

test('beyond the limit the oldest are dropped, and their number stands before the rest', () => {
  const buffer = new OutputBuffer({ bytesMax: 3 * 229, totalBytesMax: 1e9 });
  for (let i = 0; i < 10; i++) buffer.add('a', line(`${i}`.padEnd(101, '.')));
  const [note, ...rest] = takenOf(buffer, 'a');
  assert.equal(note, '(7 lines of this worker were dropped: its host could not send them to the home)');
  assert.deepEqual(
    rest.map((text) => text[0]),
    ['7', '8', '9'],
  );
  buffer.add('a', line('later'));
  assert.deepEqual(takenOf(buffer, 'a'), ['later']);
});

test('a line that is larger than the limit is dropped, and so is one of a worker beyond the limit of all', () => {
  const buffer = new OutputBuffer({ bytesMax: 500, totalBytesMax: 700 });
  buffer.add('a', line('x'.repeat(1000)));
  assert.deepEqual(takenOf(buffer, 'a'), ['(1 line of this worker were dropped: its host could not send them to the home)']);
  buffer.add('a', line('x'.repeat(300)));
  buffer.add('b', line('x'.repeat(300)));
  assert.match(takenOf(buffer, 'b').join(), /^\(1 line /);
  assert.deepEqual(takenOf(buffer, 'a'), ['x'.repeat(300)]);
});

test('whatever is added and taken, nothing is lost without being counted', () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b'), bytes: fc.nat({ max: 200 }), isTaken: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const buffer = new OutputBuffer({ bytesMax: 600, totalBytesMax: 900 });
      let [added, received] = [0, 0];
      const take = (key: string): boolean => {
        const event = buffer.take(key, 0);
        if (event?.kind !== 'line') return false;
        const dropped = /^\((\d+) lines?/.exec(event.line)?.[1];
        received += Number(dropped ?? 1);
        return true;
      };
      for (const { key, bytes, isTaken } of steps) {
        if (isTaken) take(key);
        else {
          buffer.add(key, line('x'.repeat(bytes)));
          added++;
        }
      }
      for (const key of ['a', 'b']) while (take(key));
      assert.equal(received, added);
    }),
  );
});
