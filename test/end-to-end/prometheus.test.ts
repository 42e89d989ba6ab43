/** What a real Prometheus makes of /metrics, of `docs/operate/alerts.yml`, and of native histograms. Skips where there is none. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SeriesBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

const alerts = join(import.meta.dirname, '../../docs/operate/alerts.yml');
const calls = 150;
const labels = '{endpoint="digits",variant="AllTraffic"}';

function missing(): string | false {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no prometheus here (Debian: apt-get install prometheus)';
  }
}

describe('a real Prometheus', { skip: missing(), timeout: 120_000 }, () => {
  let server: Server;
  let prometheus: ChildProcess;
  let url = '';
  const folder = mkdtempSync(join(tmpdir(), 'penstock-prometheus-'));

  before(async () => {
    server = await Server.start();
    await server.deploy('digits', 'digits_mlp');
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    writeFileSync(
      join(folder, 'prometheus.yml'),
      JSON.stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: [alerts],
        scrape_configs: [
          { job_name: 'penstock', scrape_classic_histograms: true, static_configs: [{ targets: [new URL(server.url).host] }] },
        ],
      }),
    );
    const flags = [
      `--web.listen-address=127.0.0.1:${port}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--enable-feature=native-histograms',
    ];
    prometheus = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`, ...flags], { stdio: 'ignore' });
    process.once('exit', () => prometheus.kill('SIGKILL'));
    for (let i = 0; i < calls; i++)
      await server.callWell('POST', '/endpoints/digits/invoke', { instances: [Array.from({ length: 64 }, () => 0)] });
  });
  after(async () => {
    if (prometheus?.exitCode === null) {
      prometheus.kill('SIGKILL');
      await once(prometheus, 'close');
    }
    await server?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The one value that an expression has, or null. */
  const ask = async (query: string): Promise<number | null> => {
    const reply = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`).catch(() => null);
    if (reply?.ok !== true) return null;
    const { data } = (await reply.json()) as { data: { result: { value?: [number, string] }[] } };
    const value = data.result[0]?.value?.[1];
    return value === undefined ? null : Number(value);
  };

  test('counts the calls exactly, by a counter, by native and by classic buckets', async () => {
    const expressions = [
      'penstock_requests_total{endpoint="digits",outcome="ok"}',
      `histogram_count(penstock_request_seconds${labels})`,
      'penstock_request_seconds_bucket{endpoint="digits",le="+Inf"}',
      `histogram_count(penstock_stage_seconds{endpoint="digits",stage="compute"})`,
    ];
    for (const expression of expressions) await until(`${expression} is ${calls}`, async () => (await ask(expression)) === calls, 60_000);
  });

  test('has the percentiles that Penstock has, within the errors of both', async () => {
    for (const percentile of [50, 95]) {
      const asked = `/metrics/series?name=Latency&endpoint=digits&period_s=3600&statistics=p${percentile}&from=${encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString())}`;
      const { points } = await server.callWell<SeriesBody>('GET', asked);
      const own = points.at(-1)?.values[0] ?? 0;
      const theirs = 1000 * ((await ask(`histogram_quantile(0.${percentile}, penstock_request_seconds${labels})`)) ?? 0);
      if (points.length === 1) assert(Math.abs(theirs / own - 1) < 0.03, `p${percentile}: ${theirs} ms, by Penstock ${own} ms`);
    }
  });

  test('evaluates every alert rule that ships, without an error', async () => {
    const rules = await until('all rules have been evaluated', async () => {
      const reply = await fetch(`${url}/api/v1/rules`);
      const { data } = (await reply.json()) as { data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] } };
      const all = data.groups.flatMap((group) => group.rules);
      return all.length > 0 && all.every(({ health }) => health !== 'unknown') ? all : null;
    });
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
    assert.equal(await ask('up{job="penstock"}'), 1);
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  assert(address !== null && typeof address === 'object');
  return address.port;
}
