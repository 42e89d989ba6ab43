import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { boundaryOf, readForm } from './read-form.ts';

/** The body in chunks of `size` bytes. */
async function* chunked(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

async function partsOf(body: Buffer, boundary: string, size = body.length): Promise<(readonly [string, string | null, Buffer])[]> {
  const parts: (readonly [string, string | null, Buffer])[] = [];
  for await (const { name, fileName, content } of readForm(chunked(body, Math.max(1, size)), boundary)) {
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    parts.push([name, fileName, Buffer.concat(chunks)]);
  }
  return parts;
}

async function encoded(form: FormData): Promise<{ body: Buffer; boundary: string }> {
  const response = new Response(form);
  return { body: Buffer.from(await response.arrayBuffer()), boundary: boundaryOf(response.headers.get('content-type') ?? undefined) };
}

describe('a multipart form', () => {
  test('is read as fetch encodes it, whatever its bytes and the sizes of its chunks', async () => {
    const field = fc.record({ name: fc.string({ minLength: 1, maxLength: 20 }), bytes: fc.uint8Array({ maxLength: 400 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 700 }), async (fields, size) => {
        const form = new FormData();
        for (const { name, bytes } of fields) form.append(name, new Blob([bytes]), 'a "b".tar');
        const { body, boundary } = await encoded(form);
        const parts = await partsOf(body, boundary, size);
        // fetch normalises line ends of names to CRLF, and escapes them.
        const names = fields.map(({ name }) => name.replaceAll(/\r\n|\r|\n/g, '%0D%0A'));
        assert.deepEqual(
          parts,
          fields.map(({ bytes }, i) => [(names[i] as string).toWellFormed(), 'a "b".tar', Buffer.from(bytes)]),
        );
      }),
      { numRuns: 60, examples: [[[{ name: 'source', bytes: Buffer.from('\r\n--') }], 1]] },
    );
  });

  test('skips parts that are not read, not at all or not to their end', async () => {
    const form = new FormData();
    for (const name of ['unread', 'begun', 'whole']) form.append(name, 'x'.repeat(5000));
    const { body, boundary } = await encoded(form);
    const seen: string[] = [];
    for await (const { name, content } of readForm(chunked(body, 100), boundary)) {
      seen.push(name);
      if (name === 'begun') for await (const _chunk of content) break;
    }
    assert.deepEqual(seen, ['unread', 'begun', 'whole']);
  });

  const part = (headers: string, body = 'x'): string => `--b\r\n${headers}\r\n\r\n${body}\r\n`;
  const named = 'Content-Disposition: form-data; name="spec"';
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['ends early', part(named), /ends before its last boundary/],
    ['is empty', '', /ends before its last boundary/],
    ['has no boundary at all', 'hello', /ends before its last boundary/],
    ['has a part without a name', `${part('Content-Type: text/plain')}--b--`, /a part has no name/],
    ['has a boundary within a line', `--bogus\r\n${named}\r\n\r\n--b--`, /followed by neither a part nor the end/],
    ['has headers without an end', `--b\r\n${'h: x\r\n'.repeat(3000)}`, /headers of a part are longer than 8192 bytes/],
    ['has too many parts', `${part(named).repeat(65)}--b--`, /more than 64 parts/],
  ];
  for (const [what, text, message] of bad) {
    test(`is rejected if it ${what}`, async () => {
      await assert.rejects(partsOf(Buffer.from(text), 'b'), { code: 'invalid_request', message });
    });
  }

  test('needs its content type with a boundary', () => {
    assert.equal(boundaryOf('multipart/form-data; boundary=----abc'), '----abc');
    assert.equal(boundaryOf('multipart/form-data; charset=utf-8; boundary="a b"'), 'a b');
    for (const type of [undefined, 'application/json', 'multipart/form-data', `multipart/form-data; boundary=${'x'.repeat(71)}`]) {
      assert.throws(() => boundaryOf(type), { code: 'invalid_request', message: /expected the content type multipart\/form-data/ });
    }
  });
});
