/** /metrics, native histograms and `docs/operate/alerts.yml` with a real Prometheus. Skipped if it is not installed. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SeriesBody } from '../../src/api/index.ts';
import { freePort } from '../free-port.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

const alerts = join(import.meta.dirname, '../../docs/operate/alerts.yml');
const dashboard = join(import.meta.dirname, '../../docs/operate/grafana-dashboard.json');
const calls = 150;
const labels = '{endpoint="digits",variant="AllTraffic"}';

function partsOf(name: string, type: string): string[] {
  return type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

function missing(program = 'prometheus'): string | false {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return `${program} is not installed (Debian: apt-get install prometheus)`;
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

  const scrape = async (): Promise<string> => (await fetch(new URL('/metrics', server.url))).text();

  /** The first value of an expression, or null. */
  const call = async (query: string): Promise<number | null> => {
    const reply = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`).catch(() => null);
    if (reply?.ok !== true) return null;
    const { data } = (await reply.json()) as { data: { result: { value?: [number, string] }[] } };
    const value = data.result[0]?.value?.[1];
    return value === undefined ? null : Number(value);
  };

  test('counts the calls exactly, with counters and with native and classic buckets', async () => {
    const expressions = [
      'penstock_requests_total{endpoint="digits",outcome="ok"}',
      `histogram_count(penstock_request_seconds${labels})`,
      'penstock_request_seconds_bucket{endpoint="digits",le="+Inf"}',
      `histogram_count(penstock_stage_seconds{endpoint="digits",stage="compute"})`,
    ];
    for (const expression of expressions) await until(`${expression} is ${calls}`, async () => (await call(expression)) === calls, 60_000);
  });

  test('computes the same percentiles as Penstock, within the errors of both', async () => {
    const from = encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString());
    const own = async (percentile: number): Promise<number | null> => {
      const requested = `/metrics/series?name=Latency&endpoint=digits&period_s=3600&statistics=p${percentile}&from=${from}`;
      const { points } = await server.callWell<SeriesBody>('GET', requested);
      return points.length === 1 ? (points[0]?.values[0] ?? 0) : null; // two points if the hour changed in between
    };
    for (const percentile of [50, 95]) {
      // With few calls, neighbouring values differ by several percent, and the two choose different ones for a percentile.
      const [low, high] = [await own(percentile - 1), await own(percentile + 1)];
      if (low === null || high === null) continue;
      const theirs = 1000 * ((await call(`histogram_quantile(0.${percentile}, penstock_request_seconds${labels})`)) ?? 0);
      assert(theirs > low * 0.98 && theirs < high * 1.02, `p${percentile}: ${theirs} ms, by Penstock between ${low} and ${high} ms`);
    }
  });

  test('accepts every query of the shipped dashboard, and each uses an existing metric', async () => {
    const body = await scrape();
    // Queries of a histogram use the names of its parts.
    const named = new Set([...body.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name, type]) => partsOf(String(name), String(type))));
    const queries = queriesOf(JSON.parse(readFileSync(dashboard, 'utf8')) as Dashboard);
    assert(queries.length >= 13);
    for (const { title, query } of queries) {
      const reply = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`);
      assert.equal(reply.status, 200, `${title}: ${query}: ${await reply.text()}`);
      const names = metricsOf(query);
      assert(names.length > 0, `${title} uses no Penstock metric: ${query}`);
      for (const name of names) assert(named.has(name), `${title} uses ${name}, which /metrics does not have`);
    }
  });

  test('finds no problems in the names and help texts of /metrics', { skip: missing('promtool') }, async () => {
    const body = await scrape();
    execFileSync('promtool', ['check', 'metrics'], { input: body });
  });

  test('evaluates every shipped alert rule without an error', async () => {
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
    assert.equal(await call('up{job="penstock"}'), 1);
  });
});

describe('the shipped Prometheus rules', { skip: missing('promtool') }, () => {
  test('fire exactly when their own tests expect it', () => {
    execFileSync('promtool', ['test', 'rules', 'alerts-test.yml'], { cwd: dirname(alerts), encoding: 'utf8', stdio: 'pipe' });
  });
});

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

/** The queries of all panels, with Grafana's variables replaced. */
function queriesOf({ panels }: Dashboard): { title: string; query: string }[] {
  return panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ title, query: expr.replaceAll(/\$__(?:rate_)?interval|\$__range/g, '5m').replaceAll(/\$\w+/g, '.*') })),
  );
}

/** The metric names in a query. */
function metricsOf(query: string): string[] {
  return [...new Set(query.match(/\b(?:penstock|nodejs|process)_\w+/g) ?? [])];
}
