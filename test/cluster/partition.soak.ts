/**
 * Machines of a cluster that no longer reach each other, and machines whose clock is wrong: `npm run soak:partition`. Each machine is a network
 * namespace; frames between two of them vanish in one direction or in both. Clients send inferences, asynchronous requests and control calls
 * through the nodes that are not cut off. None of them may fail, and nothing acknowledged may be lost or done twice.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import type { AuditVerdictBody, ClusterBody, EndpointBody, HostDetailBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { AsyncJobs } from './async-jobs.ts';
import { HostProcesses } from './host-processes.ts';
import { Namespaces, whyNoNamespaces } from './namespaces.ts';
import { ended, Load, type NodeReply, NodesFixture, post } from './nodes-fixture.ts';

const names = ['a', 'b', 'c'];
const hostNames = ['h1', 'h2'];
const instances = 3;
const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

/** Longest times without an answer, in milliseconds. */
const bounds = { host: 3000, node: 1000, store: 6000, killed: 6000, probe: 2000, cutOff: 20_000, rejected: 500 };

type Way = 'both ways' | 'what it sends' | 'what it gets';
const ways: readonly Way[] = ['both ways', 'what it sends', 'what it gets'];

const why = whyNoPostgres() || whyNoNamespaces();

describe('a cluster whose machines are cut off', { skip: why }, () => {
  let cluster: CutCluster;
  before(async () => {
    cluster = await CutCluster.start({});
  });
  afterEach(() => cluster?.heal());
  after(() => cluster?.close());

  for (const way of ways) {
    test(`a host is cut off from the home, ${way}: its batches go elsewhere, and it returns`, async (t) => {
      const host = await cluster.hostWithInstance();
      await cluster.cutFor(host, await cluster.home(), way, 8000);
      cluster.check(`host from home, ${way}`, bounds.host, (line) => t.diagnostic(line));
      await cluster.settle();
    });
  }

  for (const way of ways) {
    test(`a node that stands by is cut off from the home, ${way}: its clients are served over the third node`, async (t) => {
      const home = await cluster.home();
      const other = names.find((name) => name !== home) as string;
      await cluster.clientsUse(...names.filter((name) => name !== home));
      await cluster.cutFor(other, home, way, 8000, async () => {
        await cluster.clientsUse(other);
        await cluster.more();
      });
      cluster.check(`node from home, ${way}`, bounds.node, (line) => t.diagnostic(line));
      assert.equal(await cluster.home(), home);
      await cluster.clientsUse(...names);
      await cluster.settle();
    });
  }

  test('a node that stands by is cut off from everything: probes and clients get 503 with the reason, and it serves once it is back', async (t) => {
    const home = await cluster.home();
    const other = names.find((name) => name !== home) as string;
    await cluster.clientsUse(...names.filter((name) => name !== other));
    await cluster.more();
    const watched = new CutOffNode(cluster.nodes, other);
    try {
      for (const machine of ['store', ...names, ...hostNames]) if (machine !== other) cluster.cut(other, machine, 'both ways');
      await watched.becomes(503);
      const fromMs = performance.now();
      const { status, body, headers } = await watched.infer();
      const inferredMs = performance.now() - fromMs;
      assert.deepEqual([status, headers['retry-after']], [503, '1'], body);
      assert.match(body, /"this node does not reach the node that serves requests: /);
      assert(inferredMs < bounds.rejected, `an inference was rejected after ${inferredMs} ms`);
      cluster.heal();
      await watched.becomes(200);
    } finally {
      cluster.heal();
      t.diagnostic(await watched.end());
    }
    assert(watched.slowestProbeMs <= bounds.probe, `a probe took ${watched.slowestProbeMs} ms`);
    cluster.check('a node cut off from everything, clients of the others', bounds.node, (line) => t.diagnostic(line));
    await cluster.clientsUse(...names);
    await cluster.settle();
  });

  for (const way of ways) {
    test(`the home is cut off from the database, ${way}: another one takes its place`, async (t) => {
      const home = await cluster.home();
      const old = cluster.nodes.node(home);
      await cluster.clientsUse(...names.filter((name) => name !== home));
      cluster.cut(home, 'store', way);
      await until('another node is the home', async () => (await cluster.home()) !== home);
      assert.equal(await ended(old), 1, 'the next home tells it so');
      await cluster.more();
      await cluster.linked();
      cluster.heal();
      cluster.check(`home from database, ${way}`, bounds.store, (line) => t.diagnostic(line));
      await cluster.nodes.start(home);
      await cluster.clientsUse(...names);
      await cluster.settle();
    });
  }

  test('nothing acknowledged is lost or done twice', async (t) => {
    await cluster.proveWork((line) => t.diagnostic(line));
  });
});

describe('a cluster with wrong clocks', { skip: why || (existsSync(library) ? false : `no ${library} (apt-get install faketime)`) }, () => {
  let cluster: CutCluster;
  const offsets = { b: 60_000, c: -60_000, h1: 60_000, h2: -60_000 };
  before(async () => {
    cluster = await CutCluster.start(offsets);
  });
  after(() => cluster?.close());

  test('leases hold: the home stays, and the status shows the clocks', async (t) => {
    const home = await cluster.home();
    const before = await cluster.more();
    await pause(10_000);
    assert.equal(await cluster.home(), home);
    const { nodes, notes } = await cluster.nodes.call<ClusterBody>(home, 'GET', '/cluster');
    for (const { name, clock_offset_ms: offsetMs } of nodes)
      assert(Math.abs(offsetMs - (offsets[name as 'b'] ?? 0)) < 1000, `${name}: ${offsetMs}`);
    assert.equal(notes.filter((note) => note.includes('the clock of node')).length, 2);
    assert(cluster.answered > before);
    cluster.check('wrong clocks', bounds.node, (line) => t.diagnostic(line));
  });

  test('each of the wrong clocks serves, and so does the next', async (t) => {
    const served = new Set<string>();
    for (let round = 0; served.size < 3 && round < 8; round++) {
      const home = await cluster.home();
      served.add(home);
      await cluster.clientsUse(...names.filter((name) => name !== home));
      cluster.nodes.node(home).child.kill('SIGKILL');
      await ended(cluster.nodes.node(home));
      await until('another node is the home', async () => (await cluster.home()) !== home);
      await cluster.more();
      cluster.check(`${home} is killed`, bounds.killed, (line) => t.diagnostic(line));
      await cluster.nodes.start(home);
      await cluster.clientsUse(...names);
      await cluster.settle();
    }
    assert.deepEqual([...served].sort(), names);
  });

  test('nothing acknowledged is lost or done twice', async (t) => {
    await cluster.proveWork((line) => t.diagnostic(line));
  });
});

/** Three nodes, two hosts and their clients. */
class CutCluster {
  readonly nodes: NodesFixture;
  readonly #machines: Namespaces;
  readonly #hosts: HostProcesses;
  readonly #load: Load;
  #jobs: AsyncJobs | null = null;
  #urls: readonly string[] = [];
  #groups = 0;
  readonly #written: string[] = [];
  #isWriting = true;
  #writing: Promise<void> = Promise.resolve();

  private constructor(machines: Namespaces, nodes: NodesFixture, hosts: HostProcesses) {
    this.#machines = machines;
    this.nodes = nodes;
    this.#hosts = hosts;
    this.#load = new Load(nodes, { ...nodes.digits, perNode: 2 });
  }

  /** `offsets`: by how much the clocks of machines are ahead, in milliseconds. */
  static async start(offsets: Readonly<Record<string, number>>): Promise<CutCluster> {
    const machines = Namespaces.create('store', ...names, ...hostNames);
    const nodes = await NodesFixture.create(machines);
    const cluster = new CutCluster(machines, nodes, new HostProcesses(undefined, machines));
    try {
      for (const [name, offsetMs] of Object.entries(offsets)) {
        const fake = {
          LD_PRELOAD: library,
          FAKETIME: `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1000}s`,
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        };
        (names.includes(name) ? nodes : cluster.#hosts).environments.set(name, fake);
      }
      await cluster.#open();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  async #open(): Promise<void> {
    const { nodes } = this;
    await nodes.start('a');
    await this.#hosts.join(nodes, 'a', ...hostNames);
    await nodes.deployDigits('a', instances);
    await Promise.all([nodes.start('b'), nodes.start('c')]);
    this.#jobs = new AsyncJobs({ urls: () => this.#urls, key: nodes.key, clients: 2, notifies: false });
    await this.clientsUse(...names);
    await this.#jobs.start();
    this.#writing = this.#write();
    await this.settle();
  }

  get answered(): number {
    return this.#load.answered;
  }

  home(): Promise<string> {
    return this.nodes.home();
  }

  /** From now on, all clients call these nodes. */
  async clientsUse(...used: readonly string[]): Promise<void> {
    this.#urls = used.map((name) => this.nodes.node(name).url);
    await this.#load.use(...used);
  }

  cut(one: string, other: string, way: Way): void {
    if (way !== 'what it gets') this.#machines.cut(one, other);
    if (way !== 'what it sends') this.#machines.cut(other, one);
  }

  heal(): void {
    this.#machines.heal();
  }

  /** `before`: what happens before the end of it. */
  async cutFor(one: string, other: string, way: Way, ms: number, before = async () => undefined as void): Promise<void> {
    this.#load.reset();
    this.cut(one, other, way);
    await pause(ms);
    await this.more();
    await before();
    this.heal();
  }

  /** Resolves, with the number of answers, when clients have had more of them. */
  async more(): Promise<number> {
    const [inferences, accepted, written] = [this.#load.answered, this.#jobs?.accepted.size ?? 0, this.#written.length];
    await until('inferences are answered', () => this.#load.answered > inferences + 100);
    await until('asynchronous requests are accepted', () => (this.#jobs?.accepted.size ?? 0) > accepted + 5);
    await until('control calls are acknowledged', () => this.#written.length > written + 3);
    return this.#load.answered;
  }

  /** Resolves when all hosts are linked to the home. */
  async linked(): Promise<void> {
    await until('all hosts are linked', async () => {
      const { hosts } = await this.nodes.call<ClusterBody>(await this.home(), 'GET', '/cluster');
      return hosts.filter(({ link, is_home: isHome }) => link === 'linked' && !isHome).length === hostNames.length;
    });
  }

  /** Resolves when the cluster is as before a cut, and starts to measure again. */
  async settle(): Promise<void> {
    await this.linked();
    await until('no node needs a detour', async () => {
      const { nodes } = await this.nodes.call<ClusterBody>(await this.home(), 'GET', '/cluster');
      return nodes.every(({ state, link }) => state !== 'stands by' || link?.via === null);
    });
    await until('all instances are ready', async () => {
      const { variants } = await this.nodes.call<EndpointBody>(await this.home(), 'GET', '/endpoints/digits');
      return variants.flatMap(({ workers }) => workers).filter(({ state }) => state === 'ready').length === instances;
    });
    await this.more();
    this.#load.reset();
  }

  async hostWithInstance(): Promise<string> {
    return until('a host has an instance', async () => {
      const { hosts } = await this.nodes.call<ClusterBody>(await this.home(), 'GET', '/cluster');
      return hosts.find(({ worker_count: workers, is_home: isHome }) => workers > 0 && !isHome)?.name;
    });
  }

  check(what: string, gapMsMax: number, diagnose: (line: string) => void): void {
    const { answered, failed, gapMs, slowestMs } = this.#load.report();
    diagnose(`${what}: ${failed.length} of ${answered + failed.length} failed, ${gapMs} ms without an answer, slowest ${slowestMs} ms`);
    assert.deepEqual(failed.slice(0, 5), [], what);
    assert.deepEqual(this.#jobs?.wrong.slice(0, 5), [], what);
    assert(gapMs <= gapMsMax, `${what}: ${gapMs} ms without an answer, expected at most ${gapMsMax}`);
    this.#load.reset();
  }

  /** Ends all clients, and compares what they know with what is stored. */
  async proveWork(diagnose: (line: string) => void): Promise<void> {
    const jobs = this.#jobs as AsyncJobs;
    this.#isWriting = false;
    await this.#writing;
    await jobs.end();
    await this.#load.use();
    const sql = (text: string): Promise<string> => this.nodes.postgres.psql(text, 'penstock');
    const count = async (text: string): Promise<number> => Number(await sql(text));
    const groups = new Set((await sql('select name from model_groups')).split('\n'));
    assert.deepEqual(
      this.#written.filter((name) => !groups.has(name)),
      [],
    );
    await until('no job is queued', async () => (await count("select count(*) from async_requests where state = 'queued'")) === 0);
    const all = await count('select count(*) from async_requests');
    assert(all >= jobs.accepted.size && all <= jobs.accepted.size + jobs.unknown);
    assert.deepEqual(
      {
        succeeded: await count("select count(*) from async_requests where state = 'succeeded'"),
        announced: await count("select count(*) from events where kind = 'async.succeeded'"),
        ids: await count("select count(distinct detail::json->>'id') from events where kind like 'async.%'"),
      },
      { succeeded: all, announced: all, ids: all },
    );
    const home = await this.home();
    const { broken } = await this.nodes.call<AuditVerdictBody>(home, 'GET', '/audit/verification');
    assert.equal(broken, null);
    let onHosts = 0;
    for (const host of hostNames) onHosts += (await this.nodes.call<HostDetailBody>(home, 'GET', `/cluster/hosts/${host}`)).workers.length;
    const warm = hostNames.length; // each host has one
    await until(
      'hosts run what the home wants, their warm workers, and nothing else',
      () => hostNames.flatMap((host) => this.#hosts.workers(host)).length === onHosts + warm,
    );
    diagnose(
      `${this.#written.length} control calls and ${jobs.accepted.size} asynchronous requests were acknowledged, none was lost or done twice`,
    );
  }

  async close(): Promise<void> {
    this.#isWriting = false;
    this.heal();
    this.#hosts.close();
    await this.nodes.close();
    await this.#load.use();
    await this.#jobs?.close();
    await this.#writing;
    this.#machines.close();
  }

  /** One control call after the other, each of which can be found again. */
  async #write(): Promise<void> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.nodes.key}` };
    while (this.#isWriting) {
      const name = `group-${this.#groups++}`;
      const url = this.#urls[this.#groups % this.#urls.length] as string;
      const request = { method: 'POST', headers, body: JSON.stringify({ name }), signal: AbortSignal.timeout(20_000) };
      const response = await fetch(`${url}/api/v1/groups`, request).catch(() => null);
      if (response !== null && response.status < 300) this.#written.push(name);
      await response?.arrayBuffer().catch(() => null);
      await pause(100);
    }
  }
}

/** Probes a node all the time, and sends it one inference after the other until it rejects one. */
class CutOffNode {
  readonly #nodes: NodesFixture;
  readonly #url: string;
  readonly #agent = new Agent();
  #isEnded = false;
  slowestProbeMs = 0;
  #slowestInferenceMs = 0;
  #status = 0;
  readonly #changes: string[] = [];
  readonly #loops: readonly Promise<void>[];

  constructor(nodes: NodesFixture, name: string) {
    this.#nodes = nodes;
    this.#url = nodes.node(name).url;
    this.#loops = [this.#probe(), this.#load()];
  }

  infer(): Promise<NodeReply> {
    const { path, body } = this.#nodes.digits;
    return post(this.#agent, this.#url, path, { key: this.#nodes.key, body });
  }

  /** Resolves when probes and inferences have this status. */
  async becomes(status: number): Promise<void> {
    const fromMs = performance.now();
    await until(`the node answers probes with ${status}`, () => this.#status === status);
    await until(`it answers inferences with ${status}`, async () => (await this.infer()).status === status);
    const ms = Math.round(performance.now() - fromMs);
    assert(ms <= bounds.cutOff, `${status} after ${ms} ms`);
    this.#changes.push(`${status} after ${ms} ms`);
  }

  async end(): Promise<string> {
    this.#isEnded = true;
    await Promise.all(this.#loops);
    const slowest = `slowest probe ${Math.round(this.slowestProbeMs)} ms, slowest inference ${Math.round(this.#slowestInferenceMs)} ms`;
    return `${this.#changes.join(', ')}; ${slowest}`;
  }

  async #probe(): Promise<void> {
    while (!this.#isEnded) {
      const fromMs = performance.now();
      this.#status = await readiness(this.#url);
      this.slowestProbeMs = Math.max(this.slowestProbeMs, performance.now() - fromMs);
      await pause(100);
    }
  }

  async #load(): Promise<void> {
    while (!this.#isEnded) {
      const fromMs = performance.now();
      await this.infer();
      this.#slowestInferenceMs = Math.max(this.#slowestInferenceMs, performance.now() - fromMs);
      await pause(100);
    }
  }
}

/** The status of a probe, which has a connection of its own. */
async function readiness(url: string): Promise<number> {
  const [response] = (await once(get(`${url}/v2/health/ready`, { agent: false }), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
