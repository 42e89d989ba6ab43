/** Runs Schemathesis, a third-party tool, against the server: do its responses match the OpenAPI document that it serves? */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pythonEnvironment } from '../compat/python-environment.ts';
import { fuzzScale, fuzzSeed } from './campaign.ts';
import { WatchedServer } from './watched-server.ts';

const requirements = join(import.meta.dirname, 'python/requirements-schemathesis.txt');
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'unsupported_method',
];
/** Endless streams. */
const endless = '/(events|live)$';
const secondsUsual = 10;

let watched: WatchedServer;
const folder = mkdtempSync(join(tmpdir(), 'penstock-fuzz-'));

before(async () => {
  watched = await WatchedServer.start();
  await watched.server.deploy('digits', 'digits_mlp');
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await watched.end();
});

interface Ended {
  readonly code: number;
  readonly output: string;
}

function schemathesis(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: folder, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, output: `${stdout}\n${stderr}` });
    });
  });
}

test('every response matches the OpenAPI document, and none is a server error', async (t) => {
  const environment = await pythonEnvironment('fuzz-python', requirements);
  if (typeof environment === 'string') return t.skip(environment);
  const options: Readonly<Record<string, string>> = {
    url: watched.url,
    header: `Authorization: Bearer ${watched.server.adminKey}`,
    seed: String(fuzzSeed),
    phases: 'fuzzing',
    'max-examples': String(Math.ceil(3 * fuzzScale)),
    'max-time': String(Math.ceil(secondsUsual * fuzzScale)),
    checks: checks.join(','),
    'exclude-path-regex': endless,
    'request-timeout': '30',
    // Random keys would trigger the rate limit for invalid keys (429), which would hide everything else.
    'generation-with-security-parameters': 'false',
    workers: '2',
    'suppress-health-check': 'all',
  };
  const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const program = join(environment.bin, 'schemathesis');
  const { code, output } = await schemathesis(program, ['run', `${watched.url}/api/v1/openapi.json`, '--no-color', ...args]);
  watched.assertWell();
  assert(/Tested: \d+/.test(output), `schemathesis tested nothing:\n${output.slice(-3000)}`);
  assert.equal(code, 0, output.slice(0, 12_000));
});
