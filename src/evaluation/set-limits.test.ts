/** An upload ends at the first byte that is too much. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinSetLimits } from './set-limits.ts';

const chunkBytes = 64 * 1024;

/** The bytes that were taken of `head` and then `line` forever, and why no more. */
async function taken(head: string, line: string, format: 'csv' | 'jsonl', bytesMax = 40 * 2 ** 20): Promise<[number, string]> {
  let sent = 0;
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from(head);
    for (const chunk = Buffer.alloc(chunkBytes - (chunkBytes % line.length), line); sent < bytesMax; sent += chunk.length) yield chunk;
  };
  try {
    for await (const chunk of withinSetLimits(source(), format)) void chunk;
    return [sent, 'accepted'];
  } catch (error) {
    return [sent, (error as Error).message];
  }
}

const rows = 'expected at most 100000 rows, got more: use a sample of them';
const lines = 'expected at most 4194304 lines, got more: remove the blank ones, or use a sample of the rows';

for (const [what, head, line, format, atMost, message] of [
  ['narrow lines', 'x,y\n', '1,2\n', 'csv', 400_000, rows],
  ['small objects', '', '{"y":1}\n', 'jsonl', 800_000, rows],
  ['objects with Windows line ends', '', '{"y":1}\r\n', 'jsonl', 900_000, rows],
  ['blank lines', 'x,y\n', '\n', 'csv', 4_194_304, lines],
  ['blank lines with carriage returns', 'x,y\n', '\r\n', 'csv', 8_388_608, lines],
  ['lines in quotes', 'x,y\n"', '1\n', 'csv', 8_388_608, lines],
  ['one line', 'x,y\n', '1,', 'csv', 16_777_216, 'line 2 is too long: expected at most 16777216 bytes, got more'],
  ['quotes', 'x,y\n', '"', 'csv', 16_777_216, 'line 2 is too long: expected at most 16777216 bytes, got more'],
  ['brackets', '{"x":[', '[],', 'jsonl', 16_777_216, 'line 1 is too long: expected at most 16777216 bytes, got more'],
] as const) {
  test(`a set of ${what} is rejected while it arrives`, async () => {
    const [bytes, why] = await taken(head, line, format);
    assert.equal(why, message);
    assert(bytes <= atMost + 2 * chunkBytes, `${bytes} bytes were taken`);
  });
}

test('quoted cells may have line breaks: more lines than rows are taken', async () => {
  assert.equal((await taken('x,y\n', '"a\nb",1\n', 'csv', 1_200_000))[1], 'accepted');
});

test('a hundred thousand rows are taken, whatever the chunks, and one more is not, even without its line break', async () => {
  const whole = Buffer.from(`x,y\n${'1,2\n\n'.repeat(99_999)}1,2`);
  for (const [bytes, size, isAccepted] of [
    [whole, 7, true],
    [whole, 100_000, true],
    [Buffer.concat([whole, Buffer.from('\n1,2')]), 1001, false],
  ] as const) {
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    };
    let passed = 0;
    const pass = async (): Promise<void> => {
      for await (const chunk of withinSetLimits(chunks(), 'csv')) passed += chunk.length;
    };
    if (!isAccepted) await assert.rejects(pass(), { code: 'invalid_request', message: rows });
    else await pass();
    if (isAccepted) assert.equal(passed, bytes.length);
  }
});
