/** `penstock metrics`: its defaults, and its messages about missing metrics. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';

const at = '2026-01-01T00:00:00.000Z';
const measured = (name: string, unit: string, variant = 'blue') => {
  return { namespace: 'Penstock', name, unit, dimensions: { EndpointName: 'digits', VariantName: variant } };
};
const ofWorker = (number: string) => {
  const { dimensions, ...metric } = measured('WorkerMemory', 'Bytes');
  return { ...metric, dimensions: { ...dimensions, Worker: number } };
};
const known = [measured('Latency', 'Milliseconds'), measured('Cost', 'None'), ofWorker('0'), ofWorker('1')];

/** Runs against a server whose endpoint has these variants; null: the endpoint was deleted. */
async function metrics(argv: readonly string[], variants: readonly string[] | null) {
  const answer: RequestListener = (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    const name = searchParams.get('name');
    const dimensions =
      searchParams.get('dimensions') ?? JSON.stringify({ EndpointName: 'digits', VariantName: searchParams.get('variant') });
    const knownUnit = known.find((metric) => metric.name === name && JSON.stringify(metric.dimensions) === dimensions)?.unit ?? null;
    const unit = name === 'Backlog' && dimensions === '{"EndpointName":"digits"}' ? 'Count' : knownUnit;
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

test('uses the only variant by default, and shows units', async () => {
  const { stdout, stderr } = await metrics([], ['blue']);
  assert.match(stdout, /^AT \(UTC\) +SAMPLECOUNT +P50 \(ms\)\n/, stderr);
  assert.match((await metrics(['--metric', 'Cost'], ['blue'])).stdout, /SAMPLECOUNT +P50 \(\$\)\n/);
  assert.match((await metrics([], null)).stdout, /P50 \(ms\)/, 'also for a deleted endpoint');
});

test('shows metrics of the endpoint as a whole if no variant is named', async () => {
  assert.match((await metrics(['--metric', 'Backlog'], ['blue'])).stdout, /SAMPLECOUNT +P50\n/);
  assert.equal((await metrics(['--metric', 'Backlog', '--variant', 'blue'], ['blue'])).code, 1);
});

test('requires the name of an existing variant if there are several', async () => {
  const { code, stderr } = await metrics([], ['blue', 'green']);
  assert.deepEqual([code, stderr.includes('choose one with --variant: blue, green')], [2, true]);
  assert.match((await metrics(['--variant', 'red'], ['blue', 'green'])).stderr, /no variant 'red': expected one of blue, green/);
  assert.match((await metrics(['--variant', 'Blue'], ['blue', 'green'])).stdout, /P50 \(ms\)/);
});

test('requires the number of a worker for metrics of workers', async () => {
  const memory = (...more: string[]) => metrics(['--metric', 'WorkerMemory', ...more], ['blue']);
  assert.match((await memory('--worker', '1')).stdout, /P50 \(bytes\)\n/);
  const unnamed = await memory();
  assert.deepEqual(
    [unnamed.code, unnamed.stderr],
    [2, "penstock: 'WorkerMemory' is a metric of each worker: choose one with --worker: 0, 1\n"],
  );
  assert.match((await memory('--worker', '7')).stderr, /choose one with --worker: 0, 1\n$/);
});

test('lists the existing metrics for an unknown name, unless the metric only lacks traffic', async () => {
  const { code, stderr } = await metrics(['--metric', 'latency'], ['blue']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /digits, variant blue, has no metric 'latency' in Penstock: expected one of BatchRows, .*Cost, .*Latency, .*\. SageMaker metrics need/,
  );
  const nothing = await metrics(['--metric', 'QueueTime'], ['blue']);
  assert.deepEqual([nothing.code, nothing.stdout], [0, 'QueueTime of digits has no data in this period\n']);
});
