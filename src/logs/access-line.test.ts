import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAccessLine, maskUrlSecrets } from './access-line.ts';

describe('a control call', () => {
  test('is one line that starts with its time and id', () => {
    const line = formatAccessLine({
      atMs: 1000,
      requestId: 'r1',
      protocol: 'api',
      method: 'POST',
      url: '/api/v1/endpoints',
      status: 201,
      ms: 1.23456,
      who: 'PKA',
      from: '127.0.0.1',
      userAgent: `curl "8"\n${'x'.repeat(500)}`,
    });
    const start =
      '{"at":1000,"request":"r1","protocol":"api","method":"POST","path":"/api/v1/endpoints","status":201,"totalMs":1.235,"who":"PKA",';
    assert(line.startsWith(`${start}"from":"127.0.0.1","agent":"curl \\"8\\"\\n`), line);
    assert(line.endsWith('\n') && line.length < 400 && line.indexOf('\n') === line.length - 1);
  });

  for (const [model, shown] of [
    ['missing', '"missing"'],
    ['a"\n\u001b[2J', '"a\\"\\n\\u001b[2J"'],
    ['x'.repeat(200), `"${'x'.repeat(128)}"`],
  ] as const) {
    test(`names the requested model: ${shown.slice(0, 40)}`, () => {
      const of = {
        atMs: 1000,
        requestId: 'r1',
        protocol: 'grpc',
        method: 'POST',
        url: '/S/M',
        ms: 0,
        who: null,
        from: '::1',
        userAgent: undefined,
      };
      const line = formatAccessLine({ ...of, status: 404, model });
      assert(line.includes(`"path":"/S/M","model":${shown},"status":404,`), line);
    });
  }

  for (const [url, shown] of [
    [
      '/b/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=abc&X-Amz-Expires=60',
      '/b/k?X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Expires=60',
    ],
    ['/b?AWSAccessKeyId=A&Signature=s&Expires=1', '/b?AWSAccessKeyId=***&Signature=***&Expires=1'],
    ['/x?api%5Fk%65y=1&limit=2', '/x?api%5Fk%65y=***&limit=2'],
    ['/x?%E0%A4%A=1', '/x?%E0%A4%A=***'],
    ['/x?uploads&limit=2', '/x?uploads&limit=2'],
    [`/${'x'.repeat(600)}`, `/${'x'.repeat(511)}`],
  ] as const) {
    test(`is logged without secrets: ${url.slice(0, 60)}`, () => {
      assert.equal(maskUrlSecrets(url), shown);
    });
  }
});
