/**
 * Nodes and hosts of a cluster are upgraded one by one, under load, and back: `npm run soak:upgrade`. No inference may fail, and a training job
 * that runs on hosts meanwhile completes once.
 *
 * The older version is the commit before the rules of upgrades (or `FROM=COMMIT`), if this clone has it. The newer one is a copy of this tree
 * with one step of the tables more.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, describe, test } from 'node:test';
import type { ClusterBody, EndpointBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { penstock } from '../end-to-end/server.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { ClusterJobs, handModelOver } from './cluster-jobs.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, Load, NodesFixture } from './nodes-fixture.ts';
import { OtherVersions } from './other-versions.ts';

const names = ['a', 'b', 'c'];
const stepFile = 'src/storage/migrations/schema-compat.ts';
const laterStep = {
  file: 'src/storage/migrations.ts',
  from: "    '0101-schema-compat':",
  to: "    '0901-later': { up: async (db) => void (await db.schema.createTable('later').addColumn('id', 'integer').execute()), beside: 101 },\n    '0101-schema-compat':",
};
const nextVersion = { file: 'package.json', from: /"version": "[^"]+"/, to: '"version": "0.9.0"' };
const farLinks = {
  file: 'src/links/protocols.ts',
  from: /linkProtocols: LinkProtocols = .*;/,
  to: 'linkProtocols: LinkProtocols = { min: 8, max: 9 };',
};

/** Counts until it has left two hosts, from its checkpoint each time, and for half a minute on the third. */
const leavesTwice = `import os, shutil, signal, time
saved = os.path.dirname(os.environ["SM_MODEL_DIR"]) + "/checkpoints/state"
line, moves, stopped = 0, 0, []
if os.path.exists(saved):
    line, moves = (int(word) for word in open(saved).read().split())
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
last = line + 60 if moves == 2 else 100_000
while line < last and not stopped:
    print("line", line, flush=True)
    line += 1
    time.sleep(0.5)
if stopped:
    with open(saved, "w") as file:
        file.write(f"{line} {moves + 1}")
else:
    ${handModelOver}`;

describe('an upgrade of a cluster under load', { skip: whyNoPostgres() }, () => {
  const versions = new OtherVersions();
  let cluster: Upgraded;
  afterEach(() => cluster?.close());
  after(() => versions.close());

  test('from the version before the rules of upgrades', async (t) => {
    const from = process.env['FROM'] ?? commitBeforeRules();
    const old = from === null ? null : versions.ofCommit(from);
    if (old === null) return t.skip('this clone has no commit before the rules of upgrades: fetch its history, or set FROM');
    cluster = await Upgraded.start(old);
    await cluster.replaceHost('h1', penstock);
    const before = cluster.hosts.workers('h2');
    assert(before.length > 0);
    await cluster.replace('b', penstock);
    await cluster.kill('a', 'c', 'node b leaves the role to c, which its tables would keep from serving');
    await cluster.restart('a', penstock);
    await cluster.replace('c', penstock);
    assert.deepEqual(cluster.hosts.workers('h2'), before, 'the agent of the older version keeps its workers');
    await cluster.replaceHost('h2', penstock);
    assert.match(await cluster.note(), /end the upgrade with `penstock cluster finish-upgrade`/); // step 104 leaves programs of step 101 working
    await cluster.call('POST', '/cluster/finish-upgrade');
    assert.equal(await cluster.note(), '');
    await cluster.check((line) => t.diagnostic(line));
  });

  test('to a version whose tables let this one go on, back, and to the end', async (t) => {
    const next = versions.changed('next', [laterStep, nextVersion]);
    cluster = await Upgraded.start(penstock);
    const before = cluster.hosts.workers('h1');
    assert(before.length > 0);
    const { jobs } = cluster;
    await jobs.begin('upgraded', leavesTwice, ['--environment', 'none', '--checkpoint', 's3://penstock-training/upgraded']);
    await until('it prints', async () => (await jobs.printed('upgraded')).length > 5);
    for (const name of ['b', 'c', 'a']) await cluster.replace(name, next);
    assert.notEqual(await cluster.nodes.home(), 'a');
    assert.match(await cluster.note(), /these are older: host h1: .*host h2/);
    for (const name of ['a', 'b', 'c']) await cluster.replace(name, penstock);
    assert.equal(await cluster.nodes.postgres.psql('select count(*) from later', 'penstock'), '0', 'this version serves on those tables');
    assert.deepEqual(cluster.hosts.workers('h1'), before, 'agents keep their workers through it');
    const { attempt, host } = await jobs.job('upgraded');
    assert.equal(attempt, 1, 'and their task');
    assert(host === 'h1' || host === 'h2');
    for (const name of host === 'h1' ? ['h1', 'h2'] : ['h2', 'h1']) {
      const { attempt: last } = await jobs.job('upgraded');
      await cluster.replaceHost(name, next);
      await until('the job runs on the other host', async () => {
        const now = await jobs.job('upgraded');
        return now.attempt === last + 1 && now.secondary_status === 'Training' && now.host !== name;
      });
      // Then its script is ready for the next signal.
      const { length: printed } = await jobs.printed('upgraded');
      await until('it goes on', async () => (await jobs.printed('upgraded')).length > printed);
    }
    for (const name of ['c', 'b', 'a']) await cluster.replace(name, next);
    assert.match(await cluster.note(), /end the upgrade with `penstock cluster finish-upgrade`/);
    await cluster.call('POST', '/cluster/finish-upgrade');
    assert.equal(await cluster.note(), '');
    await jobs.endsOnce('upgraded', { attempt: 3, host });
    await cluster.end('b');
    assert.match(await cluster.rejected('b', penstock), /changed by a newer version of Penstock: this one, .* lacks step 901/);
    assert.match(
      await cluster.rejected('b', versions.changed('far', [laterStep, nextVersion, farLinks])),
      /too far from that of node [ac], 0\.9\.0/,
    );
    await cluster.check((line) => t.diagnostic(line));
  });
});

/** The commit before the one that added the first step with rules; null if this clone does not know. */
function commitBeforeRules(): string | null {
  const log = execFileSync('git', ['log', '--diff-filter=A', '--format=%H', '--', `:/${stepFile}`], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  const added = log.trim().split('\n').at(-1) ?? '';
  return added === '' ? null : `${added}^`;
}

/** Three nodes and two hosts, each with an instance, and clients of the nodes that are not being restarted. */
class Upgraded {
  readonly nodes: NodesFixture;
  readonly hosts: HostProcesses;
  readonly jobs: ClusterJobs;
  readonly #load: Load;

  private constructor(nodes: NodesFixture, hosts: HostProcesses, load: Load) {
    this.nodes = nodes;
    this.hosts = hosts;
    this.jobs = new ClusterJobs(nodes, () => nodes.home());
    this.#load = load;
  }

  static async start(program: string): Promise<Upgraded> {
    const nodes = await NodesFixture.create();
    const hosts = new HostProcesses(program);
    const load = new Load(nodes, { ...nodes.digits, perNode: 2 });
    const cluster = new Upgraded(nodes, hosts, load);
    try {
      await nodes.start('a', program);
      await hosts.join(nodes, 'a', 'h1', 'h2');
      await nodes.deployDigits('a', 3);
      await Promise.all([nodes.start('b', program), nodes.start('c', program)]);
      await load.use(...names);
      load.reset();
      await cluster.#answers();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** Ends a node in order, whether it serves or not, and starts it with this program. */
  async replace(name: string, program: string): Promise<void> {
    await this.end(name);
    await this.restart(name, program);
  }

  async end(name: string): Promise<void> {
    await this.#load.use(...names.filter((each) => each !== name && this.nodes.isRunning(each)));
    this.nodes.node(name).child.kill('SIGTERM');
    assert.equal(await ended(this.nodes.node(name)), 0, this.nodes.node(name).log());
    await this.#answers();
  }

  async restart(name: string, program: string): Promise<void> {
    await this.nodes.start(name, program);
    await this.#load.use(...names.filter((each) => this.nodes.isRunning(each)));
    await this.#answers();
  }

  /** Kills the home. */
  async kill(name: string, next: string, why: string): Promise<void> {
    assert.equal(await this.nodes.home(), name);
    await this.#load.use(...names.filter((each) => each !== name));
    this.nodes.node(name).child.kill('SIGKILL');
    await ended(this.nodes.node(name));
    await until('another node is the home', async () => (await this.nodes.home()) !== name);
    assert.equal(await this.nodes.home(), next, why);
    await this.#answers();
  }

  /** Its workers move to other hosts, and the host comes back with this program. An instance that serves elsewhere does not move back. */
  async replaceHost(name: string, program: string): Promise<void> {
    const child = this.hosts.child(name);
    child.kill('SIGTERM');
    await until(`${name} has ended`, () => child.exitCode !== null || child.signalCode !== null);
    assert.equal(child.exitCode, 0);
    await this.hosts.start(name, [], program);
    await this.#answers();
  }

  /** Resolves with what a node says that is not accepted. */
  async rejected(name: string, program: string): Promise<string> {
    const node = await this.nodes.spawn(name, program);
    assert.equal(await ended(node), 1, node.log());
    await this.#answers();
    return node.log();
  }

  /** What the status says of the upgrade. */
  async note(): Promise<string> {
    const { notes } = await this.call<ClusterBody>('GET', '/cluster');
    return notes.filter((note) => note.includes('upgrade')).join('\n');
  }

  async call<Body>(method: string, path: string): Promise<Body> {
    return this.nodes.call(await this.nodes.home(), method, path);
  }

  async check(diagnose: (line: string) => void): Promise<void> {
    await until('all instances serve', async () => (await this.call<EndpointBody>('GET', '/endpoints/digits')).status === 'InService');
    const { answered, failed, gapMs, slowestMs } = this.#load.report();
    diagnose(
      `${failed.length} of ${answered + failed.length} failed; longest time without an answer ${gapMs} ms, slowest request ${slowestMs} ms`,
    );
    assert.deepEqual(failed.slice(0, 10), []);
  }

  async close(): Promise<void> {
    await this.#load.use();
    this.hosts.close();
    this.jobs.close();
    await this.nodes.close();
  }

  /** Resolves when inferences are answered again. */
  async #answers(): Promise<void> {
    const before = this.#load.answered;
    await until('inferences are answered', () => this.#load.answered > before + 50, 60_000);
  }
}
