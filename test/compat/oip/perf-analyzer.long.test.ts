/**
 * NVIDIA's perf_analyzer sweeps the concurrency against digits-mlp over HTTP and gRPC, with the server's statistics in its report.
 * The test checks that it runs and reads the statistics, not the speed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { fixtures } from '../../../packages/conformance/src/index.ts';
import { clientEnvironment, OipFixture } from './oip-fixture.ts';

const run = promisify(execFile);
const concurrencies = ['1', '3', '5'];
/** Columns that perf_analyzer fills from the server's statistics. */
const serverColumns = ['Server Queue', 'Server Compute Input', 'Server Compute Infer', 'Server Compute Output'];

describe('perf_analyzer', { timeout: 500_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-perf-'));
  let fixture: OipFixture;

  before(async () => {
    fixture = await OipFixture.open();
  });

  after(async () => {
    await fixture?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const protocol of ['http', 'grpc'] as const) {
    test(`sweeps the concurrency over ${protocol}`, async (t) => {
      const environment = await clientEnvironment('perf-analyzer');
      if (typeof environment === 'string') return t.skip(environment);
      const report = join(directory, `${protocol}.csv`);
      const address = protocol === 'http' ? fixture.address : fixture.grpc;
      // Short windows without a stability check, because the test ignores the speed.
      const windows = ['--measurement-mode', 'count_windows', '--measurement-request-count', '50', '--stability-percentage', '999'];
      const how = ['--concurrency-range', '1:5:2', '--verbose-csv', '-f', report, ...windows];
      const argv = ['-m', fixtures.digits, '-i', protocol, '-u', address, '-b', '2', ...how];
      const before = await inferences(fixture);
      const { stdout } = await run(join(environment.bin, 'perf_analyzer'), argv, { timeout: 120_000 });
      const [titles = [], ...rows] = readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(','));
      const column = (row: readonly string[], title: string): string => row[titles.indexOf(title)] ?? '';
      assert.deepEqual(
        rows.map((row) => column(row, 'Concurrency')).toSorted((a, b) => Number(a) - Number(b)),
        concurrencies,
        stdout,
      );
      for (const row of rows) {
        assert(Number(column(row, 'Inferences/Second')) > 0, stdout);
        for (const title of serverColumns) assert.match(column(row, title), /^\d+$/, `${title}: ${titles.join(',')}`);
        assert(Number(column(row, 'Server Compute Infer')) > 0, 'the compute time is reported');
      }
      assert.match(stdout, /Server: \n\s+Inference count: \d+/, 'the statistics of the server are in the report');
      assert((await inferences(fixture)) - before >= 150 * 2, 'the statistics count every inference');
    });
  }
});

async function inferences({ server }: OipFixture): Promise<number> {
  const reply = await fetch(`${server.url}/v2/models/${fixtures.digits}/stats`);
  const { model_stats: stats } = (await reply.json()) as { model_stats: readonly { inference_count: number }[] };
  return stats[0]?.inference_count ?? 0;
}
