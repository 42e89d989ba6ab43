/** The examples print their documented output against a server. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { StatusBody } from '../../src/api/index.ts';
import { penstock, plainEnvironment, Server } from './server.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

/** Uses the Node of this test, so Node need not be on the path. */
const examples = [
  { file: 'curl/first-model.sh', command: 'sh', needs: ['curl', 'sed'] },
  { file: 'python-urllib/predict.py', command: 'python3', needs: ['python3'] },
  { file: 'python-triton-payload/binary.py', command: 'python3', needs: ['python3'] },
  { file: 'node-fetch/predict.mjs', command: process.execPath, needs: [] },
  { file: 'grpc-client/predict.mjs', command: process.execPath, needs: [] },
  { file: 'serverless/scale-to-zero.mjs', command: process.execPath, needs: [] },
  { file: 'what-if/nasa-morning.sh', command: 'sh', needs: [] },
] as const;

/** Rounds to three decimals, because further digits depend on the processor. */
function rounded(text: string): string {
  return text.replaceAll(/-?\d+\.\d+(?:e[+-]?\d+)?/gi, (number) => Number(number).toFixed(3));
}

function missing(needs: readonly string[]): string | false {
  const absent = needs.filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  return absent.length === 0 ? false : `${absent.join(' and ')} cannot be run on this machine`;
}

describe('the examples', () => {
  let server: Server;
  let env: Record<string, string>;

  before(async () => {
    server = await Server.start();
    const { grpc } = await server.callWell<StatusBody>('GET', '/status');
    env = { ...plainEnvironment(), PENSTOCK_URL: server.url, PENSTOCK_GRPC: grpc ?? '' };
    for (const [model, name] of [
      ['catalogue:digits-mlp', 'digits'],
      ['catalogue:spam-text', 'spam'],
    ] as const) {
      await run(penstock, ['deploy', model, name, '--approve', '--objective', 'p95<=50ms'], { env });
    }
  });

  after(() => server?.end());

  for (const { file, command, needs } of examples) {
    const directory = join(root, 'examples', file, '..');
    test(`${file} prints its expected output`, { skip: missing(needs) }, async () => {
      const { stdout, stderr } = await run(command, [join(root, 'examples', file)], { env, timeout: 120_000 });
      assert.equal(rounded(stdout), rounded(readFileSync(join(directory, 'expected-output.txt'), 'utf8')));
      assert.equal(stderr, '');
    });
  }

  test('the curl example can be repeated, and sends a key if one is set', { skip: missing(['curl', 'sed']) }, async () => {
    const { stdout } = await run('sh', [join(root, 'examples/curl/first-model.sh')], { env: { ...env, PENSTOCK_KEY: server.adminKey } });
    assert.match(stdout, /"label","shape":\[2\],"datatype":"BYTES","data":\["setosa","virginica"\]/);
  });
});
