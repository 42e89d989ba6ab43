/**
 * NVIDIA's perf_analyzer sweeps the concurrency against digits-mlp, over HTTP and gRPC, with the server's statistics in its report.
 * Whether it runs and what it can read is asked here, not how fast it is.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { fixtures } from '../../../src/conformance/index.ts';
import { clientEnvironment, OipHouse } from './house.ts';

const run = promisify(execFile);
const concurrencies = ['1', '3', '5'];
/** What its reader makes of our statistics, by concurrency. */
const serverColumns = ['Server Queue', 'Server Compute Input', 'Server Compute Infer', 'Server Compute Output'];

describe('perf_analyzer', { timeout: 500_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-perf-'));
  let house: OipHouse;

  before(async () => {
    house = await OipHouse.open();
  });

  after(async () => {
    await house?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const protocol of ['http', 'grpc'] as const) {
    test(`sweeps the concurrency over ${protocol}`, async (t) => {
      const environment = await clientEnvironment('perf-analyzer');
      if (typeof environment === 'string') return t.skip(environment);
      const report = join(directory, `${protocol}.csv`);
      const address = protocol === 'http' ? house.address : house.grpc;
      // Short windows, and no wish that they agree: whether the figures are steady is nothing to a test.
      const windows = ['--measurement-mode', 'count_windows', '--measurement-request-count', '50', '--stability-percentage', '999'];
      const how = ['--concurrency-range', '1:5:2', '--verbose-csv', '-f', report, ...windows];
      const argv = ['-m', fixtures.digits, '-i', protocol, '-u', address, '-b', '2', ...how];
      const before = await inferences(house);
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
        assert(Number(column(row, 'Server Compute Infer')) > 0, 'the time of the model is known');
      }
      assert.match(stdout, /Server: \n\s+Inference count: \d+/, 'the statistics of the server are in the report');
      assert((await inferences(house)) - before >= 150 * 2, 'and they are true');
    });
  }
});

async function inferences({ server }: OipHouse): Promise<number> {
  const reply = await fetch(`${server.url}/v2/models/${fixtures.digits}/stats`);
  const { model_stats: stats } = (await reply.json()) as { model_stats: readonly { inference_count: number }[] };
  return stats[0]?.inference_count ?? 0;
}
