/** The suite as a program of its own, against a server that knows little. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';

const program = join(import.meta.dirname, 'main.ts');

function run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, THEIRS: 'abc', NODE_TEST_CONTEXT: '' };
    execFile(process.execPath, [program, ...argv], { env }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

describe('penstock-conformance', () => {
  test('tests a server that is not Penstock, and prints a report for people or programs', async (t) => {
    const keys = new Set<string | undefined>();
    const metadata = { name: 'm', platform: '', inputs: [{ name: 'x', datatype: 'FP32', shape: [2] }], outputs: [] };
    const known: Readonly<Record<string, unknown>> = {
      '/v2': { name: 'other', version: '7', extensions: [] },
      '/v2/models/m': metadata,
      '/v2/models': { models: ['m'] },
    };
    const server = createServer((request, response) => {
      keys.add(request.headers.authorization);
      const body = known[request.url ?? ''];
      response
        .writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(body ?? { error: '?' }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    const well = await run(`${url}/v2/`, '--only', 'C1,G1', '--token-env', 'THEIRS');
    assert.equal(well.code, 0, well.stderr);
    assert.match(
      well.stdout,
      /^server +other 7 at http:.*\nextensions +none\nmodel +m\n\nCASE .*\nC1 +ok +must .*\nG1 +skipped +must .*\n/,
    );
    assert.match(well.stdout, /\nskipped because\nG1: no gRPC address was given .*\n\nCASES .*\n/);
    assert.match(well.stdout, /\nall +1 +0 +1\n$/);
    assert.deepEqual(keys, new Set(['Bearer abc']));

    const failed = await run(url, '--only', 'C1,C6', '--json');
    assert.equal(failed.code, 1);
    assert.deepEqual((JSON.parse(failed.stdout) as { total: unknown }).total, { passed: 1, failed: 1, skipped: 0 });
  });

  test('says what is wrong with its command line, and exits with 2', async () => {
    for (const [argv, says] of [
      [[], /^penstock-conformance: expected an address such as http:\/\/127\.0\.0\.1:8000, got none; see --help\n$/],
      [['localhost'], /expected an address such as .*, got localhost/],
      [['http://127.0.0.1:9', '--grpc', 'nowhere'], /--grpc: expected HOST:PORT, such as .*, got 'nowhere'/],
      [['http://127.0.0.1:9', '--timeout', 'soon'], /--timeout: expected a positive number, got 'soon'/],
      [['http://127.0.0.1:9', '--only', 'Z9'], /there is no case 'Z9'/],
      [['http://127.0.0.1:9', '--token-env', 'UNSET'], /the environment variable UNSET holds no token/],
      [['http://127.0.0.1:9', '--colour'], /Unknown option '--colour'.*see --help/],
    ] as const) {
      const { code, stdout, stderr } = await run(...argv);
      assert.deepEqual([code, stdout], [2, ''], argv.join(' '));
      assert.match(stderr, says);
    }
    assert.match((await run('--help')).stdout, /^Usage: penstock-conformance URL/);
  });
});
