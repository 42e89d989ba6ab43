/** What `penstock metrics` takes for granted, and what it says of what is not there. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';

const at = '2026-01-01T00:00:00.000Z';
const measured = (name: string, unit: string, variant = 'blue') => {
  return { namespace: 'Penstock', name, unit, dimensions: { EndpointName: 'digits', VariantName: variant } };
};
const ofWorker = (number: string) => {
  const { dimensions, ...metric } = measured('WorkerMemory', 'Bytes');
  return { ...metric, dimensions: { ...dimensions, Worker: number } };
};
const known = [measured('Latency', 'Milliseconds'), measured('Cost', 'None'), ofWorker('0'), ofWorker('1')];

/** Against a server whose endpoint has these variants. */
async function metrics(argv: readonly string[], variants: readonly string[] | null) {
  const answer: RequestListener = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const name = searchParams.get('name');
    const place = searchParams.get('dimensions') ?? JSON.stringify({ EndpointName: 'digits', VariantName: searchParams.get('variant') });
    const ofPlace = known.find((metric) => metric.name === name && JSON.stringify(metric.dimensions) === place)?.unit ?? null;
    const unit = name === 'Backlog' && place === '{"EndpointName":"digits"}' ? 'Count' : ofPlace;
    const series = {
      name,
      unit,
      period_s: 60,
      from: at,
      to: at,
      statistics: ['SampleCount', 'p50'],
      points: unit === null ? [] : [{ at, values: [2, 5] }],
    };
    const view = variants && { name: 'digits', variants: variants.map((each) => ({ name: each })) };
    const answers: Record<string, unknown> = {
      '/api/v1/endpoints/digits': view ?? { error: "there is no endpoint 'digits'", code: 'not_found' },
      '/api/v1/metrics': { items: known, next: null },
      '/api/v1/metrics/series': series,
    };
    response.writeHead(pathname.endsWith('/digits') && view === null ? 404 : 200).end(JSON.stringify(answers[pathname]));
  };
  return runAgainst(answer, ['metrics', 'digits', ...argv]);
}

test('the only variant is meant, whatever its name, and units are told', async () => {
  const { stdout, stderr } = await metrics([], ['blue']);
  assert.match(stdout, /^AT \(UTC\) +SAMPLECOUNT +P50 \(ms\)\n/, stderr);
  assert.match((await metrics(['--metric', 'Cost'], ['blue'])).stdout, /SAMPLECOUNT +P50 \(\$\)\n/);
  assert.match((await metrics([], null)).stdout, /P50 \(ms\)/, 'also of an endpoint that was deleted');
});

test('what the endpoint measures as a whole is shown where no variant is named', async () => {
  assert.match((await metrics(['--metric', 'Backlog'], ['blue'])).stdout, /SAMPLECOUNT +P50\n/);
  assert.equal((await metrics(['--metric', 'Backlog', '--variant', 'blue'], ['blue'])).code, 1);
});

test('of several variants one has to be named, and it has to be one of them', async () => {
  const { code, stderr } = await metrics([], ['blue', 'green']);
  assert.deepEqual([code, stderr.includes('say which with --variant, one of blue, green')], [2, true]);
  assert.match((await metrics(['--variant', 'red'], ['blue', 'green'])).stderr, /no variant 'red': it has blue, green/);
  assert.match((await metrics(['--variant', 'Blue'], ['blue', 'green'])).stdout, /P50 \(ms\)/);
});

test('what each worker measures is shown of the one that is named', async () => {
  const memory = (...more: string[]) => metrics(['--metric', 'WorkerMemory', ...more], ['blue']);
  assert.match((await memory('--worker', '1')).stdout, /P50 \(bytes\)\n/);
  const unsaid = await memory();
  assert.deepEqual(
    [unsaid.code, unsaid.stderr],
    [2, "penstock: 'WorkerMemory' is measured of each worker: say which with --worker, one of 0, 1\n"],
  );
  assert.match((await memory('--worker', '7')).stderr, /say which with --worker, one of 0, 1\n$/);
});

test('a name that is not measured is answered with those that are, unless only requests are missing', async () => {
  const { code, stderr } = await metrics(['--metric', 'latency'], ['blue']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /'latency' is not measured of digits, variant blue, in Penstock: there are BatchRows, .*Cost, .*Latency, .*; SageMaker's names need/,
  );
  const nothing = await metrics(['--metric', 'QueueTime'], ['blue']);
  assert.deepEqual([nothing.code, nothing.stdout], [0, 'nothing was measured of QueueTime at digits in that time\n']);
});

const alarm = { name: 'slow', state: 'ALARM', since: at, rule: 'p99 of Latency > 50 in 3 of 3 x 60 s', reason: 'too late' };
const own = { ...alarm, name: 'penstock/digits/errors', state: 'OK', rule: null, reason: 'of 5 min 0 of 0' };

async function alarms(argv: readonly string[], items: readonly object[] = [alarm, own]) {
  const asked: string[] = [];
  const answer: RequestListener = ({ url = '' }, response) => {
    asked.push(url.replace('/api/v1', ''));
    response.end(JSON.stringify({ items, next: null }));
  };
  return { ...(await runAgainst(answer, ['alarms', ...argv])), asked };
}

test('alarms are shown with what they ring at, of all or of an endpoint', async () => {
  const { code, stdout, asked } = await alarms([]);
  assert.deepEqual([code, asked], [0, ['/alarms']]);
  assert.equal(
    stdout,
    'ALARM                   STATE  SINCE (UTC)          RINGS AT                              REASON\n' +
      'slow                    ALARM  2026-01-01 00:00:00  p99 of Latency > 50 in 3 of 3 x 60 s  too late\n' +
      'penstock/digits/errors  OK     2026-01-01 00:00:00                                        of 5 min 0 of 0\n',
  );
  assert.deepEqual((await alarms(['digits', '--ringing'])).asked, ['/alarms?endpoint=digits&state=ALARM']);
});

test('where there are none it is said of whom', async () => {
  assert.equal((await alarms(['digits', '--ringing'], [])).stdout, 'no alarm of digits rings\n');
  assert.equal((await alarms(['digits'], [])).stdout, 'there are no alarms of digits yet: every endpoint gets some\n');
});
