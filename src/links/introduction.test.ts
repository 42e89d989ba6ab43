import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { introductionBytes, readIntroduction } from './introduction.ts';

test('a message arrives whole however it is cut, and what follows it stays unread', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 300 }), fc.uint8Array({ maxLength: 50 }), fc.array(fc.nat(400)), async (text, rest, cuts) => {
      const stream = new PassThrough();
      const read = new Promise<unknown>((resolve) => readIntroduction(stream as unknown as Socket, resolve));
      const bytes = Buffer.concat([introductionBytes({ text }), rest]);
      const ends = [...cuts.filter((cut) => cut < bytes.length).sort((one, other) => one - other), bytes.length];
      let at = 0;
      for (const end of ends) {
        stream.write(bytes.subarray(at, end));
        at = end;
        await new Promise(setImmediate);
      }
      assert.deepEqual(await read, { text });
      stream.end();
      assert.deepEqual(Buffer.concat(await stream.toArray()), Buffer.from(rest));
    }),
    { numRuns: 50 },
  );
});

test('a message of 64 KiB or more is not sent', () => {
  assert.throws(() => introductionBytes({ text: 'x'.repeat(70_000) }), { code: 'too_large' });
});
