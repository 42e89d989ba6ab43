/** Cases C23 to C33: bodies, encodings, methods, versions and names over HTTP. */
import assert from 'node:assert/strict';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { assertSame, formatReply } from '../assertions.ts';
import type { Case } from '../case.ts';
import type { Target } from '../client/target.ts';
import type { Json } from '../client/wire.ts';
import { Skipped } from '../outcome.ts';

const asJson = { 'content-type': 'application/json' };

/** The path of the tested model and the plain request. */
function plain({ subject }: Target): { readonly path: string; readonly infer: string; readonly body: string } {
  const path = `/v2/models/${subject.name}`;
  return { path, infer: `${path}/infer`, body: JSON.stringify(subject.request()) };
}

/** The largest body sent to find out whether a server has a limit at all. */
const bombBytesMax = 128 * 1024 * 1024;

export const transportCases: readonly Case[] = [
  {
    id: 'C23',
    level: 'must',
    promise: 'a body that is not JSON, not an object, or nested without end is rejected',
    async run(target) {
      for (const text of ['{"inputs": [', 'hello', '{"inputs":[]}}', "{'inputs':[]}"]) {
        await target.refused(await target.ask(text), 400, /^the body is not valid JSON: /);
      }
      for (const text of ['[]', '1', 'null', '"x"']) {
        await target.refused(await target.ask(text), 400, 'the body is valid JSON, but not an object with "inputs"');
      }
      const deep = `{"inputs":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
      await target.refused(await target.ask(deep), 400, 'the JSON is nested deeper than 100 levels');
      await target.refused(await target.ask(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'the JSON is not valid UTF-8');
    },
  },
  {
    id: 'C24',
    level: 'must',
    promise: 'an empty body is rejected',
    async run(target) {
      await target.refused(await target.ask(''), 400, 'the body is empty, expected a JSON object with "inputs"');
    },
  },
  {
    id: 'C25',
    level: 'should',
    promise: 'any content type, or none, is accepted',
    async run(target) {
      const { infer, body } = plain(target);
      await target.assertUsual(await target.wire.send(infer, { body }));
      for (const type of ['application/json; charset=utf-8', 'text/plain', 'application/octet-stream', 'nonsense']) {
        await target.assertUsual(await target.wire.send(infer, { body, headers: { 'content-type': type } }));
      }
    },
  },
  {
    id: 'C26',
    level: 'must',
    promise: 'a chunked body is accepted',
    async run(target) {
      const { infer, body } = plain(target);
      await target.assertUsual(await target.wire.send(infer, { body, headers: asJson, chunked: true }));
    },
  },
  {
    id: 'C27',
    level: 'should',
    promise: 'gzip and deflate work in both directions; other encodings are 415',
    async run(target) {
      const { body } = plain(target);
      for (const [encoding, compress, expand] of [
        ['gzip', gzipSync, gunzipSync],
        ['deflate', deflateSync, inflateSync],
      ] as const) {
        await target.assertUsual(await target.ask(compress(body), { headers: { 'content-encoding': encoding } }));
        const reply = await target.ask(body, { headers: { 'accept-encoding': encoding } });
        assert(reply.status === 200, `accept-encoding ${encoding}: expected 200, got ${formatReply(reply)}`);
        // Small responses may be uncompressed.
        const { 'content-encoding': coding } = reply.headers;
        if (target.isPenstock) assert.equal(coding, encoding);
        assertSame(JSON.parse((coding === encoding ? expand(reply.body) : reply.body).toString()) as Json, await target.reference());
      }
      const identity = { 'content-encoding': 'identity', 'accept-encoding': 'br' };
      await target.assertUsual(await target.ask(body, { headers: identity }));
      const unknown = await target.ask(body, { headers: { 'content-encoding': 'br' } });
      await target.rejectedWith(unknown, 415, `content-encoding 'br' is not supported, expected gzip, deflate or identity`);
      if (target.isPenstock) assert.equal(unknown.headers['accept-encoding'], 'gzip, deflate');
      const broken = await target.ask(body, { headers: { 'content-encoding': 'gzip' } });
      await target.refused(broken, 400, /^the body is not valid gzip: /);
    },
  },
  {
    id: 'C28',
    level: 'should',
    promise: 'a body above the limit is 413 at once, without being read; also one that exceeds it by decompression',
    async run(target) {
      const length = target.bodyLimitBytes + 1;
      if (length > bombBytesMax) throw new Skipped(`the server's body limit is ${target.bodyLimitBytes} bytes, more than is sent here`);
      const head = `POST ${plain(target).infer} HTTP/1.1\r\ncontent-length: ${length}\r\n\r\n{"inputs":`;
      const answer = await target.wire.raw(head, (text) => text.includes('}'));
      const status = /^HTTP\/1.1 (\d+) /.exec(answer)?.[1];
      assert(status === '413', `a body of ${length} bytes is announced: expected 413, got ${status ?? 'no response'}`);
      const text = `the body is too large: expected at most ${target.bodyLimitBytes} bytes, got at least ${length}`;
      if (target.isPenstock) assert(answer.includes(text), answer);
      const bomb = gzipSync(Buffer.alloc(length, ' '));
      const reply = await target.ask(bomb, { headers: { 'content-encoding': 'gzip' } });
      await target.refused(reply, 413, /^the decompressed body is too large: /);
    },
  },
  {
    id: 'C29',
    level: 'should',
    promise: 'a wrong method is 405 with the allowed ones; an unknown path is 404',
    async run(target) {
      const { path, infer } = plain(target);
      const ours = [['GET', '/v2/repository/index', 'POST'] as const];
      for (const [method, place, allow] of [
        ['GET', infer, 'POST'] as const,
        ['PUT', infer, 'POST'] as const,
        ['POST', path, 'GET'] as const,
        ['DELETE', '/v2/health/live', 'GET'] as const,
        ...(target.isPenstock ? ours : []),
      ]) {
        const reply = await target.wire.send(place, { method });
        await target.rejectedWith(reply, 405, 'Method Not Allowed');
        assert((reply.headers['allow'] ?? '').split(/, ?/).includes(allow), `${method} ${place}: the header Allow must have ${allow}`);
      }
      for (const place of ['/v2/nothing', `${path}/nothing`, ...(target.isPenstock ? ['/v2/models/'] : [])]) {
        await target.rejectedWith(await target.wire.send(place), 404, 'Not Found');
      }
    },
  },
  {
    id: 'C30',
    level: 'must',
    promise: 'a version can be named; an unknown one is 404',
    async run(target) {
      const { path, body } = plain(target);
      const { json } = await target.wire.send(path);
      const [version] = (json?.['versions'] ?? []) as string[];
      if (version === undefined) throw new Skipped('the metadata names no versions');
      await target.assertUsual(await target.wire.send(`${path}/versions/${version}/infer`, { body, headers: asJson }));
      const text = `model '${target.subject.name}' has no version '99'; versions: ${version}`;
      for (const place of target.isPenstock ? ['', '/ready', '/config', '/stats'] : ['', '/ready']) {
        await target.refused(await target.wire.send(`${path}/versions/99${place}`), 404, text);
      }
      await target.refused(await target.wire.send(`${path}/versions/99/infer`, { body, headers: asJson }), 404, text);
    },
  },
  {
    id: 'C31',
    level: 'should',
    promise: 'a name may be percent-encoded; no encoding reaches anything else',
    async run(target) {
      const { body } = plain(target);
      const { name } = target.subject;
      const encoded = Array.from(Buffer.from(name), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
      await target.assertUsual(await target.wire.send(`/v2/models/${encoded}/infer`, { body, headers: asJson }));
      for (const other of [
        'a%2Fb',
        '..%2F..%2Fetc',
        '%00',
        `${name}%2Fversions%2F1`,
        'x'.repeat(500),
        ...(target.isPenstock ? ['%zz'] : []),
      ]) {
        const reply = await target.wire.send(`/v2/models/${other}`);
        if (target.isPenstock) await target.refused(reply, 404, /^model '.+' does not exist/);
        else assert(reply.status >= 400, `/v2/models/${other}: expected 404, got ${formatReply(reply)}`);
      }
    },
  },
  {
    id: 'C32',
    level: 'should',
    promise: 'HEAD is GET without a body, OPTIONS returns the allowed methods',
    async run(target) {
      const { wire } = target;
      const { path, infer } = plain(target);
      for (const place of ['/v2', '/v2/health/live', '/v2/health/ready', path, `${path}/ready`]) {
        const [get, head] = [await wire.send(place), await wire.send(place, { method: 'HEAD' })];
        assert.equal(head.status, get.status, `HEAD ${place}`);
        assert.equal(head.body.length, 0);
        assert.equal(head.headers['content-type'], get.headers['content-type']);
        if (target.isPenstock) assert.equal(head.headers['content-length'], get.headers['content-length']);
      }
      const options = await wire.send(infer, { method: 'OPTIONS' });
      assert([200, 204].includes(options.status), `OPTIONS: expected 204, got ${formatReply(options)}`);
      assert.match(options.headers['allow'] ?? '', /POST/, 'OPTIONS: the header Allow must have POST');
    },
  },
  {
    id: 'C33',
    level: 'should',
    promise: 'Expect: 100-continue gets a 100 and then the response',
    async run(target) {
      const { infer, body } = plain(target);
      const request = `POST ${infer} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nexpect: 100-continue\r\n\r\n`;
      const first = await target.wire.raw(request, (text) => text.includes('\r\n\r\n'));
      assert.match(first, /^HTTP\/1.1 100 Continue\r\n/i);
      const whole = await target.wire.raw(request + body, (text) => text.includes('"outputs"'));
      assert.match(whole, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /i);
    },
  },
];
