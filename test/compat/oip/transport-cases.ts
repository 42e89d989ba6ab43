/** Cases C23 to C33: bodies, encodings, verbs, versions and names, as HTTP has them. */
import assert from 'node:assert/strict';
import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { affineAnswer, affineInput, type Case, models, ok, outputOf, type Target } from './suite.ts';
import type { Call } from './wire.ts';

const { affine } = models;
const body = JSON.stringify({ inputs: [affineInput] });

async function sameAnswer(target: Target, path: string, call: Call): Promise<void> {
  assert.deepEqual(outputOf(ok(await target.wire.send(path, call)), 'y')['data'], affineAnswer);
}

export const transportCases: readonly Case[] = [
  {
    id: 'C23',
    promise: 'what is no JSON, or no object, or nested without end, is refused',
    async run(target) {
      for (const text of ['{"inputs": [', 'hello', '{"inputs":[]}}', "{'inputs':[]}"]) {
        await target.refused(await target.infer(affine, text), 400, /^the body is not valid JSON: /);
      }
      for (const text of ['[]', '1', 'null', '"x"']) {
        await target.refused(await target.infer(affine, text), 400, 'the body is valid JSON, but not an object with "inputs"');
      }
      const deep = `{"inputs":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
      await target.refused(await target.infer(affine, deep), 400, 'the JSON is nested deeper than 100 levels');
      await target.refused(await target.infer(affine, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'the JSON is not valid UTF-8');
    },
  },
  {
    id: 'C24',
    promise: 'an empty body is refused',
    async run(target) {
      await target.refused(await target.infer(affine, ''), 400, 'the body is empty, expected a JSON object with "inputs"');
    },
  },
  {
    id: 'C25',
    promise: 'the content type of a request does not matter, nor that there is none',
    async run(target) {
      await sameAnswer(target, `/v2/models/${affine}/infer`, { body });
      for (const type of ['application/json; charset=utf-8', 'text/plain', 'application/octet-stream', 'nonsense']) {
        await sameAnswer(target, `/v2/models/${affine}/infer`, { body, headers: { 'content-type': type } });
      }
    },
  },
  {
    id: 'C26',
    promise: 'a chunked body is a body',
    run: (target) => sameAnswer(target, `/v2/models/${affine}/infer`, { body, chunked: true }),
  },
  {
    id: 'C27',
    promise: 'gzip and deflate work in both directions; other encodings are 415',
    async run(target) {
      for (const [encoding, compress, expand] of [
        ['gzip', gzipSync, gunzipSync],
        ['deflate', deflateSync, inflateSync],
      ] as const) {
        await sameAnswer(target, `/v2/models/${affine}/infer`, { body: compress(body), headers: { 'content-encoding': encoding } });
        const reply = await target.infer(affine, body, { headers: { 'accept-encoding': encoding } });
        assert.equal(reply.status, 200);
        assert.equal(reply.headers['content-encoding'], encoding);
        const answer = JSON.parse(expand(reply.body).toString()) as Parameters<typeof outputOf>[0];
        assert.deepEqual(outputOf(answer, 'y')['data'], affineAnswer);
      }
      await sameAnswer(target, `/v2/models/${affine}/infer`, {
        body,
        headers: { 'content-encoding': 'identity', 'accept-encoding': 'br' },
      });
      const unknown = await target.infer(affine, body, { headers: { 'content-encoding': 'br' } });
      await target.refused(unknown, 415, `content-encoding 'br' is not supported, expected gzip, deflate or identity`);
      if (target.isPenstock) assert.equal(unknown.headers['accept-encoding'], 'gzip, deflate');
      const broken = await target.infer(affine, body, { headers: { 'content-encoding': 'gzip' } });
      await target.refused(broken, 400, /^the body is not valid gzip: /);
    },
  },
  {
    id: 'C28',
    promise: 'a body over the limit is 413 at once, without being read; also one that only grows by decompression',
    async run(target) {
      const length = target.bodyLimitBytes + 1;
      const head = `POST /v2/models/${affine}/infer HTTP/1.1\r\ncontent-length: ${length}\r\n\r\n{"inputs":`;
      const answer = await target.wire.raw(head, (text) => text.includes('}'));
      assert.match(answer, /^HTTP\/1.1 413 /);
      if (target.isPenstock)
        assert(answer.includes(`the body has at least ${length} bytes, at most ${target.bodyLimitBytes} are accepted`), answer);
      const bomb = gzipSync(Buffer.alloc(length, ' '));
      await target.refused(
        await target.infer(affine, bomb, { headers: { 'content-encoding': 'gzip' } }),
        413,
        /^the decompressed body has at least /,
      );
    },
  },
  {
    id: 'C29',
    promise: 'a wrong verb is 405 and says the right ones; an unknown path is 404',
    async run(target) {
      for (const [method, path, allow] of [
        ['GET', `/v2/models/${affine}/infer`, 'POST'],
        ['PUT', `/v2/models/${affine}/infer`, 'POST'],
        ['POST', `/v2/models/${affine}`, 'GET'],
        ['DELETE', '/v2/health/live', 'GET'],
        ['GET', '/v2/repository/index', 'POST'],
      ] as const) {
        const reply = await target.wire.send(path, { method });
        await target.refused(reply, 405, 'Method Not Allowed');
        assert((reply.headers['allow'] ?? '').split(', ').includes(allow), `Allow has ${allow}`);
      }
      for (const path of ['/v2/nothing', `/v2/models/${affine}/nothing`, '/v2/models/']) {
        await target.refused(await target.wire.send(path), 404, 'Not Found');
      }
    },
  },
  {
    id: 'C30',
    promise: 'a version can be named; an unknown one is 404',
    async run(target) {
      await sameAnswer(target, `/v2/models/${affine}/versions/1/infer`, { body });
      const text = `model '${affine}' has no version '99'; versions: 1`;
      for (const path of ['', '/ready', '/config', '/stats']) {
        await target.refused(await target.wire.send(`/v2/models/${affine}/versions/99${path}`), 404, text);
      }
      await target.refused(await target.wire.send(`/v2/models/${affine}/versions/99/infer`, { body }), 404, text);
    },
  },
  {
    id: 'C31',
    promise: 'a name may be percent-encoded; no encoding reaches anything else',
    async run(target) {
      const encoded = Array.from(affine, (letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
      await sameAnswer(target, `/v2/models/${encoded}/infer`, { body });
      for (const name of ['a%2Fb', '..%2F..%2Fetc', '%zz', '%00', `${affine}%2Fversions%2F1`, 'x'.repeat(500)]) {
        await target.refused(await target.wire.send(`/v2/models/${name}`), 404, /^model '.+' is not known/);
      }
    },
  },
  {
    id: 'C32',
    promise: 'HEAD is GET without a body, OPTIONS says what is allowed',
    async run({ wire }) {
      for (const path of ['/v2', '/v2/health/live', '/v2/health/ready', `/v2/models/${affine}`, `/v2/models/${affine}/ready`]) {
        const [get, head] = [await wire.send(path), await wire.send(path, { method: 'HEAD' })];
        assert.equal(head.status, 200);
        assert.equal(head.body.length, 0);
        assert.equal(head.headers['content-type'], 'application/json');
        assert.equal(head.headers['content-length'], get.headers['content-length']);
      }
      const options = await wire.send(`/v2/models/${affine}/infer`, { method: 'OPTIONS' });
      assert.equal(options.status, 204);
      assert.match(options.headers['allow'] ?? '', /POST/);
    },
  },
  {
    id: 'C33',
    promise: 'Expect: 100-continue gets its 100 and then its answer',
    async run(target) {
      const request = `POST /v2/models/${affine}/infer HTTP/1.1\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`;
      const first = await target.wire.raw(request, (text) => text.includes('\r\n\r\n'));
      assert.match(first, /^HTTP\/1.1 100 Continue\r\n\r\n/);
      const whole = await target.wire.raw(request + body, (text) => text.includes('"outputs"'));
      assert.match(whole, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
    },
  },
];
