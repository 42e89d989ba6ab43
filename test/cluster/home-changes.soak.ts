/**
 * What clients of the other nodes notice when the home of a cluster is killed, stopped or ended, and when the database restarts: part of
 * `npm run soak:cluster`. Prints the longest time without an answer; no request may fail.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { TcpProxy } from '../tcp-proxy.ts';
import { ended, Load, type LoadReport, NodesFixture } from './nodes-fixture.ts';

const names = ['a', 'b', 'c'];
const kills = Number(process.env['KILLS'] ?? 10);

describe('a home that changes under load', { skip: whyNoPostgres() }, () => {
  let nodes: NodesFixture;
  let load: Load;
  /** Between node a and the database. */
  let proxy: TcpProxy;
  before(async () => {
    nodes = await NodesFixture.create();
    proxy = await TcpProxy.start(nodes.postgres.port);
    nodes.databaseUrls.set('a', proxy.urlOf(nodes.databaseUrl));
    await nodes.start('a');
    await nodes.deployDigits('a');
    await Promise.all([nodes.start('b'), nodes.start('c')]);
    load = new Load(nodes, nodes.digits);
  });
  after(async () => {
    await load?.use();
    await nodes?.close();
    proxy?.close();
  });

  /** Load through the other nodes for a second, then `run`, until they are served for a second by another home. */
  const changeHome = async (run: (home: string) => Promise<void> | void): Promise<LoadReport & { readonly home: string }> => {
    const home = await nodes.home();
    const others = names.filter((name) => name !== home);
    await load.use(...others);
    await pause(1000);
    load.reset();
    await run(home);
    await until('another node is the home', async () => others.includes(await nodes.home()));
    const before = load.answered;
    await until('it serves', () => load.answered > before + 200);
    return { ...load.report(), home };
  };
  const check = (what: string, reports: readonly LoadReport[], diagnose: (line: string) => void): void => {
    const gaps = reports.map(({ gapMs }) => gapMs).toSorted((one, other) => one - other);
    const failed = reports.flatMap((report) => report.failed);
    const answered = reports.reduce((sum, report) => sum + report.answered, 0);
    const median = gaps[Math.floor(gaps.length / 2)];
    diagnose(`${what}: ${failed.length} of ${answered + failed.length} failed; ms without an answer: median ${median}, ${gaps.join(' ')}`);
    assert.deepEqual(failed.slice(0, 10), []);
  };

  test('cut off from the database alone: the next home tells it that it was replaced, and it ends', async (t) => {
    const report = await changeHome(async (home) => {
      assert.equal(home, 'a');
      proxy.hang();
      assert.equal(await ended(nodes.node('a')), 1, nodes.node('a').log());
    });
    assert.match(nodes.node('a').log(), /another node has taken the place of this one/);
    proxy.resume();
    await nodes.start('a');
    check('cut off from the database', [report], (line) => t.diagnostic(line));
  });

  test(`killed, ${kills} times`, async (t) => {
    const reports: LoadReport[] = [];
    for (let round = 0; round < kills; round++) {
      const report = await changeHome((home) => void nodes.node(home).child.kill('SIGKILL'));
      reports.push(report);
      await ended(nodes.node(report.home));
      await nodes.start(report.home);
    }
    check('kill -9', reports, (line) => t.diagnostic(line));
  });

  test('stopped, three times: it ends when it resumes', async (t) => {
    const reports: LoadReport[] = [];
    for (let round = 0; round < 3; round++) {
      const report = await changeHome((home) => void nodes.node(home).child.kill('SIGSTOP'));
      reports.push(report);
      nodes.node(report.home).child.kill('SIGCONT');
      assert.equal(await ended(nodes.node(report.home)), 1);
      await nodes.start(report.home);
    }
    check('SIGSTOP', reports, (line) => t.diagnostic(line));
  });

  test('ended by SIGTERM, each node once', async (t) => {
    const reports: LoadReport[] = [];
    for (let round = 0; round < 3; round++) {
      const report = await changeHome(async (home) => {
        nodes.node(home).child.kill('SIGTERM');
        assert.equal(await ended(nodes.node(home)), 0);
      });
      reports.push(report);
      await nodes.start(report.home);
    }
    check('SIGTERM', reports, (line) => t.diagnostic(line));
  });

  test('a restart of the database changes no home, and fails no request', async (t) => {
    const home = await nodes.home();
    await load.use(...names);
    await pause(1000);
    load.reset();
    await nodes.postgres.shutDown('fast');
    await pause(2000);
    await nodes.postgres.start();
    await pause(6000);
    const report = load.report();
    assert.equal(await nodes.home(), home);
    check('restart of PostgreSQL', [report], (line) => t.diagnostic(line));
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
