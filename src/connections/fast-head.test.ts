/** The reader of plain heads against llhttp, the parser of node:http. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { duplexPair } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { plainRequest, requestStream } from '../../test/http-requests.ts';
import { FastHeads, parseFastHead, streamedBodyBytesMax, wholeBodyBytesMax } from './fast-head.ts';

describe('the reader of plain heads', () => {
  let server: Server;
  let seen: { readonly request: IncomingMessage; body: Buffer }[] = [];

  before(() => {
    server = createServer((request, response) => {
      const one = { request, body: Buffer.alloc(0) };
      seen.push(one);
      request.on('data', (chunk: Buffer) => {
        one.body = Buffer.concat([one.body, chunk]);
      });
      request.on('end', () => response.end());
    });
    server.on('clientError', (_error, socket) => socket.destroy());
  });
  after(() => {
    server.closeAllConnections();
  });

  /** The requests that node:http reads from these bytes. */
  async function readByNode(bytes: Buffer): Promise<typeof seen> {
    seen = [];
    const [near, far] = duplexPair();
    far.on('error', () => undefined).resume();
    server.emit('connection', near);
    far.end(bytes);
    await new Promise((resolve) => near.on('close', resolve));
    return seen;
  }

  test('accepts nothing that llhttp rejects, reads otherwise, or frames otherwise', async () => {
    const runs = Number(process.env['PENSTOCK_SOAK'] === '1' ? 200_000 : 3000);
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(requestStream, async (bytes) => {
        const head = parseFastHead(bytes);
        if (typeof head === 'string' || head.headBytes + head.bodyBytes > bytes.length) return;
        accepted++;
        const end = head.headBytes + head.bodyBytes;
        const probe = Buffer.from('GET /probe HTTP/1.1\r\nHost: a\r\n\r\n');
        const [first, second, ...rest] = await readByNode(Buffer.concat([bytes.subarray(0, end), probe]));
        assert(first !== undefined && second !== undefined && rest.length === 0, 'llhttp reads another number of requests');
        const { method, url, httpVersion, headers, rawHeaders } = first.request;
        assert.deepEqual([method, url, httpVersion, first.body], ['POST', head.url, '1.1', bytes.subarray(head.headBytes, end)]);
        assert.deepEqual({ ...headers }, { ...head.headers });
        assert.deepEqual(rawHeaders, head.rawHeaders);
        assert.equal(second.request.url, '/probe');
      }),
      { numRuns: runs },
    );
    assert(accepted > runs / 10, `only ${accepted} of ${runs} requests were plain`);
  });

  test('accepts every plain request, and waits for the end of its head', () => {
    fc.assert(
      fc.property(plainRequest, (text) => {
        const bytes = Buffer.from(text);
        const head = parseFastHead(bytes);
        assert(typeof head === 'object' && head.headBytes + head.bodyBytes === bytes.length);
        for (let cut = 0; cut < head.headBytes; cut++) assert.equal(parseFastHead(bytes.subarray(0, cut)), 'later');
      }),
    );
  });

  test('a head that is too long is left to node:http before it is complete', () => {
    const long = Buffer.from(`POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(5000)}`);
    assert.equal(parseFastHead(long), 'other');
    assert.equal(parseFastHead(long.subarray(0, 3000)), 'later');
  });

  test('a larger body than the limit of its reader is left to node:http', () => {
    const head = (bytes: number): Buffer => Buffer.from(`POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
    for (const bytesMax of [wholeBodyBytesMax, streamedBodyBytesMax]) {
      const heads = new FastHeads(bytesMax);
      assert.equal((heads.read(head(bytesMax)) as { bodyBytes: number }).bodyBytes, bytesMax);
      assert.equal(heads.read(head(bytesMax + 1)), 'other');
    }
  });

  test('a head equal to the one before has the same meaning, and no other has', () => {
    fc.assert(
      fc.property(fc.array(requestStream, { minLength: 2, maxLength: 5 }), (streams) => {
        const heads = new FastHeads();
        for (const bytes of streams) assert.deepEqual(heads.read(bytes), parseFastHead(bytes));
      }),
    );
  });
});
