import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Ran, runVerb } from '../../../../test/cli-fixture.ts';
import type { SimulationResult } from '../../../simulation/index.ts';

/** With PENSTOCK_URL set to an address without a server. */
const run = (...argv: string[]): Promise<Ran> => runVerb(['simulate', ...argv], { PENSTOCK_URL: 'http://127.0.0.1:64999' });

describe('penstock simulate', () => {
  test('compares policies in a table and writes a page, without a server', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-simulate-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const trace = join(folder, 'trace.csv');
    writeFileSync(trace, `requests\n${'20\n'.repeat(15)}`);
    const page = join(folder, 'report.html');
    const policies = ['--policy', 'hpa:70,window=120s+overflow;static:2,economic', '--policy', 'oracle'];
    const { code, stdout, stderr } = await run('--trace', trace, '--scale', '40', '--from', '10', ...policies, '--html', page);
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split('\n');
    assert.match(lines[0] as string, /^POLICY +COST\/M +WITHIN +OVERFLOW +P50 +P95 +P99/);
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(' ')[0]),
      ['hpa:70,window=120s+overflow', 'static:2', 'economic', 'oracle'],
    );
    assert.match(readFileSync(page, 'utf8'), /trace\.csv x 40, p99\.8&lt;=500ms/);
    assert.match(stderr, /4 policies over 5 min of trace\.csv x 40/);
  });

  test('warns that a trace has no requests', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-simulate-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const trace = join(folder, 'trace.csv');
    writeFileSync(trace, 'minute,requests\n0,0\n1,0\n');
    const { code, stderr } = await run('--trace', trace, '--policy', 'static:1');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /trace\.csv has no requests: all its 2 slots are 0/);
  });

  test('prints reproducible results with --output json', async () => {
    const argv = ['--load', 'mmpp:10,80,60,18', '--from', '10', '--slots', '5', '--policy', 'economic', '--output', 'json'];
    const { stdout } = await run(...argv);
    const { results } = JSON.parse(stdout) as { results: SimulationResult[] };
    assert.deepEqual([results.length, results[0]?.policy, results[0]?.timeline.length], [1, 'economic', 5]);
    assert.equal((await run(...argv)).stdout, stdout);
  });

  test('reads a profile file with its own functions', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-simulate-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'profile.json');
    const service = [{ b: 1, p50Ms: 10, p95Ms: 12, p99Ms: 15 }];
    writeFileSync(
      file,
      JSON.stringify({ name: 'm/1', types: { 'local.1': { leadS: 1, service } }, functions: [{ memoryMiB: 2048, service }] }),
    );
    const { code, stdout, stderr } = await run(
      '--load',
      'poisson:20',
      '--slots',
      '2',
      '--profile',
      file,
      '--policy',
      'economic',
      '--objective',
      'p95<=100ms',
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /economic/);
  });

  test('says which instance types cannot meet the objective', async () => {
    const { code, stderr } = await run('--load', 'poisson:1', '--slots', '1', '--policy', 'static:1', '--objective', 'p99<=100ms');
    assert.equal(code, 0);
    assert.match(stderr, /type c5\.large cannot meet 100 ms: 2\*s\(1\)\+d = 165 ms/);
  });

  for (const [what, argv, code, wanted] of [
    ['no load', [], 2, /missing load: expected --trace FILE, --load poisson:20 or --replay ENDPOINT/],
    ['two loads', ['--load', 'poisson:1', '--trace', 'x'], 2, /--trace and --load cannot be combined/],
    ['a scaled load', ['--load', 'poisson:1', '--scale', '2'], 2, /--scale is only valid with --trace/],
    ['a load and an endpoint', ['--replay', 'digits', '--load', 'poisson:1'], 2, /expected one of --replay, --trace and --load/],
    ['slots of an endpoint', ['--replay', 'digits', '--slots', '5'], 2, /use --since/],
    ['a variant without an endpoint', ['--load', 'poisson:1', '--variant', 'a'], 2, /--variant is only valid with --replay/],
    [
      'a server that is not running',
      ['--replay', 'digits'],
      1,
      /no Penstock server is running at http:\/\/127\.0\.0\.1:64999: start one with `penstock up`/,
    ],
    ['a model of a server that is not running', ['--load', 'poisson:1', '--profile', 'digits/1'], 1, /no Penstock server is running/],
    ['a missing file', ['--trace', '/nowhere.csv'], 1, /cannot read \/nowhere\.csv/],
    ['an unknown policy', ['--load', 'poisson:1', '--policy', 'magic'], 2, /unknown policy 'magic'/],
    ['a page that cannot be written', ['--load', 'poisson:1', '--html', '/nowhere/x.html'], 1, /cannot write \/nowhere\/x\.html/],
    ['a type that the profile lacks', ['--load', 'poisson:1', '--types', 'm1'], 2, /unknown instance type m1: expected one of c5\.large/],
    ['an invalid profile', ['--load', 'poisson:1', '--profile', 'package.json'], 2, /neither types nor functions/],
    ['a wrong objective', ['--load', 'poisson:1', '--objective', 'fast'], 2, /objective 'fast' is not understood/],
  ] as const) {
    test(`with ${what}: says what is wrong`, async () => {
      const ended = await run(...argv);
      assert.deepEqual([ended.code, ended.stdout], [code, '']);
      assert.match(ended.stderr, wanted);
    });
  }
});
