/**
 * Three nodes and two hosts of which one after the other is killed or stopped, while clients submit asynchronous requests and send
 * inferences through all nodes: no accepted work is lost or done twice, and counts are what clients have seen. Part of
 * `npm run test:cluster` and `npm run soak:cluster`; `ROUNDS` says how often.
 */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { AuditVerdictBody, ClusterBody, CostsBody, EndpointBody, EndpointUsageBody, HostDetailBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { AsyncJobs } from './async-jobs.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, Load, NodesFixture, post } from './nodes-fixture.ts';

const rounds = Number(process.env['ROUNDS'] ?? 1);
const names = ['a', 'b', 'c'];
const hostNames = ['h1', 'h2'];
const perNode = 2;
const instances = 2;
const submitters = 3;
/** A killed home loses the counts since its last write: at most 10 s, and the write itself. */
const lostCountsMs = 11_000;
/** Work that may be under way, and thus run again, when a home is killed or the database ends. */
const underWayMax = names.length * perNode + 4 * submitters;

describe('work of a cluster whose parts die', { skip: whyNoPostgres() }, () => {
  const hosts = new HostProcesses();
  let nodes: NodesFixture;
  let load: Load;
  let jobs: AsyncJobs;
  let kills = 0;
  let outages = 0;
  /** Inferences with a response, and those whose connection broke after they were sent. */
  const sent = { answered: 0, broken: 0 };
  /** How many inferences had been answered at a time, and the same at each kill of a home, so much time before. */
  const progress: { readonly atMs: number; readonly answered: number }[] = [];
  const maybeLost = { inferences: 0, periods: [] as { readonly fromMs: number; readonly toMs: number }[] };
  let sampling: NodeJS.Timeout;

  before(async () => {
    nodes = await NodesFixture.create();
    await nodes.start('a');
    await Promise.all([nodes.start('b'), nodes.start('c')]);
    await hosts.join(nodes, 'a', ...hostNames);
    await nodes.deployDigits('a', instances);
    load = new Load(nodes, { ...nodes.digits, perNode });
    const urls = (): string[] => names.filter((name) => nodes.isRunning(name)).map((name) => nodes.node(name).url);
    jobs = new AsyncJobs({ urls, key: nodes.key, clients: submitters });
    await allReady();
    sampling = setInterval(() => progress.push({ atMs: Date.now(), answered: sent.answered + load.answered }), 200);
    await load.use(...names);
    await jobs.start();
    await more();
  });
  after(async () => {
    clearInterval(sampling);
    hosts.close();
    await nodes?.close();
    await jobs?.close();
    await load?.use();
  });

  /** Resolves when clients have had more answers of both kinds. */
  const more = async (): Promise<void> => {
    const [inferences, accepted] = [load.answered, jobs.accepted.size];
    await until('more work is done', () => load.answered > inferences + 100 && jobs.accepted.size > accepted + 10);
  };
  /** Adds up what clients have seen. Only connections to `killed` may have broken. */
  const check = (what: string, killed?: string): void => {
    const { answered, failed } = load.report();
    load.reset();
    sent.answered += answered;
    sent.broken += failed.filter((why) => !why.includes('ECONNREFUSED')).length;
    const isExpected = (why: string): boolean => killed !== undefined && why.startsWith(`${killed}: Error`);
    assert.deepEqual(failed.filter((why) => !isExpected(why)).slice(0, 5), [], what);
    assert.deepEqual(jobs.wrong.slice(0, 5), [], what);
  };
  /** The processes of the ready instances, and those of them that are on hosts: the others are on the machine of the home. */
  const instancesNow = async (): Promise<{ readonly ready: number; readonly onHosts: readonly { host: string; pid: number }[] }> => {
    const node = await nodes.home();
    const { variants } = await nodes.call<EndpointBody>(node, 'GET', '/endpoints/digits');
    const ready = variants.flatMap(({ workers }) => workers).filter(({ state }) => state === 'ready');
    const onHosts: { host: string; pid: number }[] = [];
    for (const host of hostNames) {
      const { workers, link } = await nodes.call<HostDetailBody>(node, 'GET', `/cluster/hosts/${host}`);
      for (const { id, state } of workers) {
        const pid = ready.find((worker) => worker.id === id)?.pid ?? null;
        if (link === 'linked' && state === 'ready' && pid !== null) onHosts.push({ host, pid });
      }
    }
    return { ready: ready.length, onHosts };
  };
  const allReady = (): Promise<unknown> =>
    until('all instances are ready, not all of them on the home', async () => {
      const { ready, onHosts } = await instancesNow();
      return ready === instances && onHosts.length > 0;
    });

  const killHome = async (): Promise<string> => {
    const home = await nodes.home();
    const before = (await instancesNow()).onHosts;
    assert(before.length > 0);
    const toMs = Date.now();
    const fromMs = toMs - lostCountsMs;
    const counted = progress.findLast(({ atMs }) => atMs < fromMs)?.answered ?? 0;
    nodes.node(home).child.kill('SIGKILL');
    kills++;
    await ended(nodes.node(home));
    maybeLost.inferences += sent.answered + load.answered - counted;
    maybeLost.periods.push({ fromMs, toMs: Date.now() });
    await load.use(...names.filter((name) => name !== home));
    await until('another node is the home', async () => (await nodes.home()) !== home);
    await allReady();
    const now = (await instancesNow()).onHosts;
    for (const { host, pid } of before)
      assert(
        now.some((one) => one.host === host && one.pid === pid),
        `${host} has the worker ${pid} no more`,
      );
    await nodes.start(home);
    await load.use(...names);
    await more();
    check('kill -9 of the home', home);
    return home;
  };
  const restartDatabase = async (): Promise<void> => {
    const home = await nodes.home();
    await nodes.postgres.shutDown('fast');
    outages++;
    const agent = new Agent();
    for (const name of names) {
      const approval = { key: nodes.key, body: JSON.stringify({ approval: 'Approved' }) };
      const reply = await post(agent, nodes.node(name).url, '/api/v1/groups/digits/versions/1/approval', approval);
      assert.equal(reply.status, 503, reply.body);
      assert.equal((JSON.parse(reply.body) as { code: string }).code, 'unavailable');
      assert(reply.headers['retry-after'] !== undefined);
    }
    agent.destroy();
    const answered = load.answered;
    await until('inference goes on', () => load.answered > answered + 100);
    await pause(2000);
    await nodes.postgres.start();
    await more();
    check('PostgreSQL away');
    assert.equal(await nodes.home(), home);
  };
  const killHost = async (): Promise<void> => {
    const host = (await instancesNow()).onHosts[0]?.host as string;
    hosts.child(host).kill('SIGKILL');
    await until(`the workers of ${host} are placed elsewhere`, async () => {
      const { workers } = await nodes.call<HostDetailBody>(await nodes.home(), 'GET', `/cluster/hosts/${host}`);
      return workers.length === 0;
    });
    await more();
    assert.deepEqual(hosts.workers(host), [], 'workers end with their agent');
    await hosts.start(host);
    await allReady();
    check('kill -9 of a host');
  };
  const stopOther = async (): Promise<void> => {
    const home = await nodes.home();
    const name = names.find((other) => other !== home) as string;
    const { child } = nodes.node(name);
    child.kill('SIGSTOP');
    await pause(4000); // its lease ends
    child.kill('SIGCONT');
    await until(`${name} stands by again`, async () => {
      assert(nodes.isRunning(name), nodes.node(name).log());
      const { nodes: known } = await nodes.call<ClusterBody>(home, 'GET', '/cluster');
      return known.find((node) => node.name === name)?.state === 'stands by';
    });
    await more();
    check('SIGSTOP of a node that stands by');
    assert.equal(await nodes.home(), home);
  };

  test(`inferences do not fail, and workers on hosts are adopted, in ${rounds} rounds of kills`, async () => {
    try {
      for (let round = 0; round < rounds; round++) {
        await killHome();
        await restartDatabase();
        await killHost();
        await stopOther();
      }
    } finally {
      await jobs.end();
      await load.use();
    }
    check('the end');
  });

  test('every accepted job has one outcome, with the right result', async (t) => {
    const home = await nodes.home();
    const sql = (text: string): Promise<string> => nodes.postgres.psql(text, 'penstock');
    const count = async (text: string): Promise<number> => Number(await sql(text));
    await until('no job is queued', async () => (await count("select count(*) from async_requests where state = 'queued'")) === 0);
    for (const [id, label] of jobs.accepted) {
      const output = await nodes.call<{ predictions: { label: number }[] }>(home, 'GET', `/async/${id}/output`);
      assert.deepEqual(
        output.predictions.map((prediction) => prediction.label),
        [label],
        id,
      );
    }
    const all = await count('select count(*) from async_requests');
    t.diagnostic(`${jobs.accepted.size} accepted, ${jobs.unknown} unknown, ${all} stored`);
    assert(all >= jobs.accepted.size && all <= jobs.accepted.size + jobs.unknown);
    assert.deepEqual(
      {
        succeeded: await count("select count(*) from async_requests where state = 'succeeded'"),
        announced: await count("select count(*) from events where kind = 'async.succeeded'"),
        announcedIds: await count("select count(distinct detail::json->>'id') from events where kind like 'async.%'"),
        otherwise: await count("select count(*) from events where kind like 'async.%' and kind <> 'async.succeeded'"),
        jobs: await count("select count(*) from jobs where queue = 'async/digits'"),
      },
      { succeeded: all, announced: all, announcedIds: all, otherwise: 0, jobs: 0 },
    );
    await until('every job is notified', () => [...jobs.accepted.keys()].every((id) => jobs.notified.has(id)));
    for (const [id, outcomes] of jobs.notified) {
      assert.equal(outcomes.size, 1, `${id}: ${[...outcomes].join(', ')}`);
      assert.match([...outcomes].join(), / Completed$/);
    }
  });

  test('the audit chain is intact', async () => {
    const { broken, records } = await nodes.call<AuditVerdictBody>(await nodes.home(), 'GET', '/audit/verification');
    assert.equal(broken, null);
    assert(records > 0);
  });

  test('counts are what clients have seen, but for the last seconds of killed homes', async (t) => {
    const home = await nodes.home();
    const counted = async (): Promise<{ costs: number; usage: number; statistics: number }> => {
      const costs = (await nodes.call<CostsBody>(home, 'GET', '/costs?endpoint=digits')).total.requests;
      const { items } = await nodes.call<EndpointUsageBody>(home, 'GET', '/endpoints/digits/usage');
      const { variants } = await nodes.call<EndpointBody>(home, 'GET', '/endpoints/digits');
      return {
        costs,
        usage: items.reduce((sum, { requests }) => sum + requests, 0),
        statistics: variants.reduce((sum, { statistics }) => sum + (statistics?.requests ?? 0), 0),
      };
    };
    const finished = async (condition: string): Promise<number> =>
      Number(await nodes.postgres.psql(`select count(*) from async_requests where state = 'succeeded' and (${condition})`, 'penstock'));
    const lost = maybeLost.periods.map(({ fromMs, toMs }) => `finished_at between ${fromMs} and ${toMs}`).join(' or ');
    const done = sent.answered + (await finished('true'));
    const least = done - maybeLost.inferences - (await finished(lost));
    const most = done + sent.broken + (kills + outages) * underWayMax;
    const before = await counted();
    t.diagnostic(`${before.costs} counted; clients saw ${done}, expected ${least} to ${most}`);
    assert(least > 0 && before.costs >= least && before.costs <= most, `${before.costs} is not from ${least} to ${most}`);
    assert.equal(before.usage, before.costs);
    const agent = new Agent();
    const each = 20;
    for (const name of names)
      for (let i = 0; i < each; i++)
        assert.equal((await post(agent, nodes.node(name).url, nodes.digits.path, { key: nodes.key, body: nodes.digits.body })).status, 200);
    agent.destroy();
    const more = names.length * each;
    assert.deepEqual(await counted(), { costs: before.costs + more, usage: before.usage + more, statistics: before.statistics + more });
  });

  test('no worker is left that no endpoint wants', async () => {
    const home = await nodes.home();
    const running = (): number => hostNames.reduce((sum, host) => sum + hosts.workers(host).length, 0);
    const wanted = (await instancesNow()).onHosts.length;
    assert(wanted > 0);
    const warm = hostNames.length; // each host has one
    await until('hosts have those that are wanted, and their warm ones', () => running() === wanted + warm);
    await nodes.call(home, 'DELETE', '/endpoints/digits');
    await until('hosts have only their warm workers', () => running() === warm);
    const { hosts: known } = await nodes.call<ClusterBody>(home, 'GET', '/cluster');
    assert.deepEqual(
      known.filter(({ worker_count: workers }) => workers > 0),
      [],
    );
  });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
