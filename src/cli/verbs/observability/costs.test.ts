/** `penstock costs`, against a server with scripted responses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { CostsBody, UsedBody } from '../../../api/index.ts';
import { VirtualClock } from '../../../clock.ts';
import { runCli } from '../../run-cli.ts';

async function run(argv: readonly string[], answer: (url: string) => unknown) {
  const requested: string[] = [];
  const server = createServer((request, response) => {
    requested.push(decodeURIComponent(request.url ?? ''));
    const body = answer(request.url ?? '');
    response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? { error: "there is no endpoint 'missing'", code: 'not_found' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let [stdout, stderr] = ['', ''];
  try {
    const code = await runCli(['costs', ...argv], {
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
      stdin: (async function* () {})(),
      env: { PENSTOCK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      clock: new VirtualClock(Date.UTC(2026, 10, 24, 12, 30)),
      version: '1.2.3',
      interrupted: new AbortController().signal,
      up: () => Promise.resolve(0),
      quickstart: () => Promise.resolve(0),
    });
    return { code, stdout, stderr, requested };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const used: UsedBody = {
  instance_seconds: 7200,
  instance_usd: 0.125,
  provisioned_seconds: 3600,
  provisioned_usd: 0.03,
  invocations: 400,
  cold_starts: 3,
  function_gb_seconds: 100,
  function_usd: 0.0015,
  total_usd: 0.1265,
  receipts_usd: 0.09,
  failed_runs_usd: 0,
  requests: 1000,
  failed_requests: 7,
  cost_usd_per_million: 126.5,
};
const idle: UsedBody = {
  ...used,
  instance_usd: 0.03,
  function_usd: 0,
  total_usd: 0.03,
  cold_starts: 0,
  requests: 0,
  failed_requests: 0,
  cost_usd_per_million: null,
};
const line = (at: string, endpoint: string, what: UsedBody) => ({ at, endpoint, variant: 'AllTraffic', ...what });
const costs = (by: CostsBody['by'], changes: Partial<CostsBody> = {}): CostsBody => ({
  from: '2026-11-23T12:00:00.000Z',
  to: '2026-11-24T12:30:00.000Z',
  by,
  prices_as_of: '2026-10-01',
  items: [line('2026-11-23T12:00:00.000Z', 'digits', used), line('2026-11-24T12:00:00.000Z', 'idle', idle)],
  total: { ...used, total_usd: 0.1565, cost_usd_per_million: 156.5 },
  ...changes,
});

test('shows a line for each variant and a total, with the hours covered and the date of the prices', async () => {
  const { code, stdout, requested } = await run([], () => costs('total'));
  assert.equal(code, 0);
  assert.deepEqual(requested, ['/api/v1/costs?from=2026-11-23T12:30:00.000Z&by=total']);
  assert.deepEqual(stdout.split('\n'), [
    'ENDPOINT  VARIANT     INSTANCES  FUNCTIONS   TOTAL  ANSWERED  NOT ANSWERED  COST/M ANSWERED  COLD STARTS',
    'digits    AllTraffic     $0.095    $0.0315  $0.127      1000             7          $126.50            3',
    'idle      AllTraffic         $0      $0.03   $0.03         0             0                -            0',
    'total                    $0.095    $0.0315  $0.157      1000             7          $156.50            3',
    'from 2026-11-23 12:00 to 2026-11-24 12:30 UTC, whole hours only; prices of 2026-10-01; totals include the cost of failed runs',
    '',
  ]);
});

test('shows the cost of failed runs in a column if there were any', async () => {
  const failing = { ...used, failed_runs_usd: 0.002 };
  const { stdout } = await run([], () =>
    costs('total', { items: [line('2026-11-23T12:00:00.000Z', 'digits', failing), line('', 'idle', idle)], total: failing }),
  );
  assert.match(
    stdout,
    /ANSWERED  NOT ANSWERED  FAILED RUNS  COST\/M ANSWERED .*\n.* 1000 +7 +\$0\.002 .*\n.* 0 +0 .*\n.* 1000 +7 +\$0\.002 /,
  );
});

test('shows the hour or the day of each line with --by', async () => {
  const hours = await run(['digits', '--since', '90m', '--by', 'hour'], () => costs('hour'));
  assert.deepEqual(hours.requested, ['/api/v1/costs?endpoint=digits&from=2026-11-24T11:00:00.000Z&by=hour']);
  assert.match(hours.stdout, /^HOUR \(UTC\) +ENDPOINT .*\n2026-11-23 12:00 +digits .*\n2026-11-24 12:00 +idle .*\n +total /);
  const days = await run(['--since', '7d', '--by', 'day'], () => costs('day'));
  assert.deepEqual(days.requested, ['/api/v1/costs?from=2026-11-17T12:30:00.000Z&by=day']);
  assert.match(days.stdout, /^DAY \(UTC\) +ENDPOINT .*\n2026-11-23 +digits /);
});

test('prints the whole response with --output json', async () => {
  const { stdout } = await run(['--output', 'json'], () => costs('total'));
  assert.deepEqual(JSON.parse(stdout), costs('total'));
});

test('tells an endpoint without use from an endpoint that does not exist', async () => {
  const nothing = costs('total', { items: [] });
  const none = await run(['digits'], (url) => (url.startsWith('/api/v1/costs') ? nothing : { name: 'digits' }));
  assert.deepEqual([none.code, none.stdout], [0, 'no use between 2026-11-23 12:00 and 2026-11-24 12:30 UTC\n']);
  const missing = await run(['missing'], (url) => (url.startsWith('/api/v1/costs') ? nothing : null));
  assert.deepEqual([missing.code, missing.stdout], [1, '']);
  assert.match(missing.stderr, /no endpoint 'missing'/);
});

for (const [argv, says] of [
  [['--since', 'yesterday'], /expected how far back, such as 90m, 24h or 7d, got 'yesterday'/],
  [['--by', 'week'], /Allowed choices are hour, day, total/],
] as const) {
  test(`rejects costs ${argv.join(' ')} and says what was expected`, async () => {
    const { code, stderr } = await run(argv, () => null);
    assert.equal(code, 2);
    assert.match(stderr, says);
  });
}
