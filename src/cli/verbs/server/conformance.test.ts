/** `penstock conformance`, from its arguments to its output. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Ran, runVerb } from '../../../../test/cli-fixture.ts';
import { bearerToken } from './conformance.ts';

const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> => runVerb(['conformance', ...argv], env);

describe('penstock conformance', () => {
  const keys: (string | undefined)[] = [];
  const metadata = { name: 'm', platform: '', inputs: [{ name: 'x', datatype: 'FP32', shape: [2] }], outputs: [] };
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization);
    const known = { '/v2': { name: 'other', version: '7', extensions: [] }, '/v2/models/m': metadata, '/v2/models': { models: ['m'] } }[
      request.url ?? ''
    ];
    if (request.url?.startsWith('/api/v1/endpoints/') === true) {
      const endpoint = {
        name: request.url.split('/').at(-1),
        status: 'InService',
        generation: 1,
        served_generation: 1,
        variants: [],
        objective: null,
      };
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(endpoint));
    }
    response
      .writeHead(known === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(known ?? { error: '?' }));
  });
  let url = '';

  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  test('prints a table of results, the reason of each failure, and counts', async () => {
    const { code, stdout, stderr } = await run([url, '--only', 'C1,C6,B1,B2,G1']);
    assert.equal(code, 1, stderr);
    assert.equal(
      stdout,
      [
        `server      other 7 at ${url}`,
        'extensions  none',
        'model       m',
        '',
        'CASE  RESULT   LEVEL      REQUIREMENT',
        'C1    ok       must       GET /v2 has name, version and a list of extensions',
        'C6    failed   must       flat data gets flat data in response',
        "B1    skipped  extension  all-binary requests give the same tensors; with the specification's model, byte for byte",
        'B2    skipped  extension  binary and JSON inputs can be mixed in a request, in any order',
        'G1    skipped  must       ServerLive reports that the server is live',
        '',
        'failed because',
        'C6: expected 200, got 404: {"error":"?"}',
        '',
        'skipped because',
        'B1 B2: not advertised: binary_tensor_data',
        'G1: no gRPC address was given (--grpc HOST:PORT)',
        '',
        'CASES      PASSED  FAILED  SKIPPED',
        'C               1       1        0',
        'B               0       0        2',
        'G               0       0        1',
        'must            1       1        1',
        'extension       0       0        2',
        'all             1       1        3',
        '',
      ].join('\n'),
    );
  });

  test('exits with 0 if all cases pass, and reports the same as JSON', async () => {
    const { code, stdout } = await run([`${url}/v2/`, '--only', 'C1', '--output', 'json']);
    assert.equal(code, 0);
    const { cases, total, server: facts } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(total, { passed: 1, failed: 0, skipped: 0 });
    assert.deepEqual(facts, { name: 'other', version: '7', extensions: [] });
    assert.equal((cases as unknown[]).length, 1);
  });

  test('exits with 2 if its arguments are wrong', async () => {
    for (const [argv, complaint] of [
      [[], /missing required argument 'url'/],
      [['localhost'], /expected an address such as http/],
      [[url, '--grpc', 'nowhere'], /expected HOST:PORT/],
      [[url, '--only', 'Z9'], /there is no case 'Z9'/],
      [[url, '--token-env', 'UNSET'], /the environment variable UNSET holds no token/],
    ] as const) {
      const { code, stdout, stderr } = await run(argv);
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, complaint);
    }
  });

  test('says how to remove the endpoints that it deployed', async () => {
    const { stderr } = await run([url, '--only', 'C1', '--deploy']);
    assert.match(
      stderr,
      /remove them with\nfor name in test-affine (\S+ )*digits-mlp( \S+)*; do PENSTOCK_URL=http:\/\/127\.0\.0\.1:\d+ penstock delete \$name; done\n$/,
    );
  });

  test('reads the inputs of a request from a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'penstock-conformance-'));
    const file = join(directory, 'request.json');
    writeFileSync(file, '{"inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1]}]}');
    const { code, stderr } = await run([url, '--input', file]);
    rmSync(directory, { recursive: true });
    assert.deepEqual([code, stderr], [2, `penstock: input 'x': shape [3] needs 3 elements, got 1\n`]);
  });

  test('sends PENSTOCK_KEY to no server but its own', async () => {
    keys.length = 0;
    await run([url, '--only', 'C1'], { PENSTOCK_KEY: 'ID:SECRET', PENSTOCK_URL: 'http://127.0.0.1:1' });
    assert.deepEqual(new Set(keys), new Set([undefined]));
    await run([url, '--only', 'C1', '--token-env', 'THEIRS'], { THEIRS: 'abc' });
    assert.equal(keys.at(-1), 'Bearer abc');
    assert.equal(bearerToken({ PENSTOCK_KEY: 'ID:SECRET', PENSTOCK_URL: `${url}/` }, url, undefined), 'ID:SECRET');
    assert.equal(bearerToken({ PENSTOCK_KEY: 'ID:SECRET' }, url, undefined), undefined);
  });
});
