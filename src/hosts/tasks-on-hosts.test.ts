/** Tasks on hosts when links, agents, homes and disks fail, and when hosts stop. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { HostsFixture, until } from '../../test/hosts-fixture.ts';
import { ended, linesOf, prepared, printed, run, start, type TasksSubject } from '../../test/tasks-contract.ts';
import { noListener } from './placed-options.ts';
import type { PlacedProvider } from './placed-provider.ts';
import type { NewTaskPlacement } from './placement-decisions.ts';

const loop = 'echo begun; i=0; while [ ! -e go ]; do sleep 0.05; done; echo over; mkdir -p model; echo m >model/m';
const signal = new AbortController().signal;

describe('a task on a host', { timeout: 60_000 }, () => {
  let fixture: HostsFixture;
  beforeEach(() => {
    fixture = new HostsFixture();
  });
  afterEach(() => fixture.close());

  const subjectOf = (home: PlacedProvider, host: string | null = 'h1'): TasksSubject => {
    const parent = join(fixture.root, 'home', 'training');
    mkdirSync(parent, { recursive: true });
    return { tasks: home.tasks, host, parent };
  };

  /** Its output can be read before its host has reported that it runs. */
  const begun = async (home: PlacedProvider, id: string): Promise<void> => {
    await printed(home.tasks, id, 'begun');
    await until(() => home.tasks.list().some((view) => view.id === id && view.state === 'running'), 'it is reported as running');
  };

  test('goes on while the link is cut, and its output and files are read afterwards', async () => {
    const home = await fixture.openHome();
    await fixture.openHost('h1');
    const subject = subjectOf(home);
    const at = await prepared(subject, 'cut/1/1', {});
    await start(subject, at, loop);
    await begun(home, at.id);
    fixture.links.get('h1')?.destroy();
    await until(() => home.linked.host('h1')?.isLinked === false, 'the link is lost');
    await assert.rejects(home.tasks.output(at.id, 0), /host h1 is away|the link to host h1 was lost/);
    assert.equal(home.tasks.list()[0]?.state, 'running');
    assert.equal((await home.tasks.find(at, signal))?.state, 'running');
    writeFileSync(join(at.ml, 'go'), '');
    assert.equal((await ended(home.tasks, at.id)).end?.code, 0);
    assert.deepEqual(
      (await linesOf(home.tasks, at.id)).map(({ line }) => line),
      ['begun', 'over'],
    );
    assert.equal((await home.tasks.files(at, 'model')).files.length, 1);
  });

  test('whose inputs lose their link is prepared again, and nothing of the first folder stays', async () => {
    const home = await fixture.openHome();
    const agent = await fixture.openHost('h1');
    const subject = subjectOf(home);
    const at = await prepared(subject, 'inputs/1/1', { first: { kind: 'stream', content: [Buffer.from('1')] } });
    const content = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(600_000);
      fixture.links.get('h1')?.destroy();
      await until(() => home.linked.host('h1')?.isLinked === false, 'the link is lost');
      yield Buffer.alloc(600_000);
    };
    await assert.rejects(home.tasks.put(at, 'second', { kind: 'stream', content: content() }), { code: 'unavailable' });
    await until(() => agent.isLinked && home.linked.host('h1')?.tasks.isReported === true, 'it is linked again');
    assert.equal(await home.tasks.find(at, signal), null);
    const elsewhere = await prepared(subjectOf(home, null), 'inputs/1/1', {}); // h1 is passed over for a minute
    assert.equal((await run(subjectOf(home, null), elsewhere, 'test ! -e first')).end?.code, 0);
    await until(() => home.linked.host('h1')?.tasks.count === 0, 'the folder is removed');
  });

  test('is found by the next home, which the first one left without a word', async () => {
    const first = await fixture.openHome();
    await fixture.openHost('h1');
    const at = await prepared(subjectOf(first), 'next/1/1', {});
    await start(subjectOf(first), at, loop);
    const other = await prepared(subjectOf(first), 'other/1/1', {});
    await start(subjectOf(first), other, loop);
    await begun(first, at.id);
    const second = await fixture.openHome({ epoch: 2 });
    const finding = second.tasks.find(at, signal);
    fixture.links.get('h1')?.destroy();
    assert.equal((await finding)?.state, 'running');
    // Nothing ends before the home knows what is needed; then all others do.
    assert.equal(second.linked.host('h1')?.tasks.views.length, 2);
    await second.tasks.discardOthers(join(fixture.root, 'home', 'training'), [at]);
    await until(() => second.linked.host('h1')?.tasks.views.length === 1, 'the other task has ended');
    writeFileSync(join(at.ml, 'go'), '');
    assert.equal((await ended(second.tasks, at.id)).end?.code, 0);
    await assert.rejects(first.tasks.output(at.id, 0), /away/);
  });

  test('goes on without its agent, and the next agent of the folder reports it', async () => {
    const home = await fixture.openHome();
    const folder = join(fixture.root, 'h1');
    const agent = await fixture.openHost('h1', { folder });
    const at = await prepared(subjectOf(home), 'agent/1/1', {});
    await start(subjectOf(home), at, loop);
    await begun(home, at.id);
    await agent.close();
    await until(() => home.linked.host('h1')?.isLinked === false, 'the link is lost');
    writeFileSync(join(at.ml, 'go'), '');
    await fixture.openHost('h1', { folder });
    assert.equal((await ended(home.tasks, at.id)).end?.code, 0);
    assert.deepEqual(
      (await linesOf(home.tasks, at.id)).map(({ line }) => line),
      ['begun', 'over'],
    );
    await home.tasks.discard(at);
    assert.equal(existsSync(dirname(at.ml)), false);
  });

  test('leaves a folder that its agent cannot read, and one without a task is removed', async () => {
    const folder = join(fixture.root, 'damaged');
    const [unreadable, unused] = ['unreadable', 'unused'].map((name) => join(folder, 'training', name)) as [string, string];
    mkdirSync(join(unreadable, 'host-task.json'), { recursive: true }); // a folder cannot be read as a file
    mkdirSync(unused, { recursive: true });
    await fixture.openHome();
    await fixture.openHost('h1', { folder });
    assert.deepEqual([existsSync(unreadable), existsSync(unused)], [true, false]);
  });

  test('is lost only when its host was away for longer than a task lives alone, and then ends if the host returns', async () => {
    const home = await fixture.openHome({ taskLostMs: 1500 });
    const agent = await fixture.openHost('h1');
    await home.tasks.discardOthers(join(fixture.root, 'none'), []);
    const at = await prepared(subjectOf(home), 'lost/1/1', {});
    await start(subjectOf(home), at, loop);
    await begun(home, at.id);
    fixture.home = null; // no home to link to
    fixture.links.get('h1')?.destroy();
    await until(() => home.linked.host('h1')?.isLost === true, 'the host is lost');
    assert.equal(home.tasks.list()[0]?.state, 'running');
    assert.equal((await ended(home.tasks, at.id)).state, 'lost');
    assert.equal(await home.tasks.find(at, signal), null);
    await assert.rejects(home.tasks.files(at, 'model'), { code: 'not_found' });
    assert.deepEqual(await home.tasks.output(at.id, 7), { lines: [], nextOffset: 7 });
    await home.tasks.discard(at);
    fixture.home = home;
    await until(() => agent.isLinked && home.linked.host('h1')?.tasks.isReported === true, 'it is linked again');
    await until(() => home.linked.host('h1')?.tasks.count === 0, 'the task has ended there');
  });

  test('is asked to leave a host that stops, which waits for it', async () => {
    const home = await fixture.openHome();
    const agent = await fixture.openHost('h1');
    const at = await prepared(subjectOf(home), 'leave/1/1', {});
    await start(subjectOf(home), at, loop);
    await begun(home, at.id);
    const drained = agent.drain(20_000);
    await until(() => home.tasks.list()[0]?.eviction?.why === 'stopping', 'it is evicted');
    assert.ok((home.tasks.list()[0]?.eviction?.withinMs ?? 0) > 10_000);
    const elsewhere = await prepared(subjectOf(home, null), 'leave/2/1', {});
    await home.tasks.discard(elsewhere);
    await home.tasks.discard(at);
    await drained;
    assert.equal(await agent.dismissed, 'its workers run on other hosts');
  });

  test('that a full host cannot take goes to another one, with the reason', async () => {
    const home = await fixture.openHome();
    const placements: NewTaskPlacement[] = [];
    home.follow({ wantedOf: () => 'ready' }, { ...noListener, taskPlaced: (each) => placements.push(each) });
    await fixture.openHost('h1', { memoryMiB: 100 });
    await fixture.openHost('h2');
    const agent = home.linked.host('h1');
    assert(agent !== undefined);
    agent.capacity = { ...agent.capacity, memoryMiB: 100_000 }; // as an agent that lies
    const request = { folder: join(fixture.root, 'x'), name: 'attempt 1 of full', threads: 1, memoryMiB: 256, environment: null };
    const first = await home.tasks.prepare({ id: 'full/1/1', ...request });
    const second = await home.tasks.prepare({ id: 'full/2/1', ...request });
    assert.deepEqual(
      [first, second].map(({ at }) => at.host),
      ['h2', 'h2'],
    );
    assert.match(second.reason ?? '', /^h2 has .* free/);
    const [placed] = placements;
    const size = { cpuMilli: 1000, memoryMiB: 256 };
    assert.deepEqual(placed, { id: 'full/1/1', name: 'attempt 1 of full', host: 'h2', reason: first.reason, ...size });
  });

  test('that no host has room for is placed on the home, with the reason', async () => {
    const home = await fixture.openHome();
    const placements: NewTaskPlacement[] = [];
    home.follow({ wantedOf: () => 'ready' }, { ...noListener, taskPlaced: (each) => placements.push(each) });
    await fixture.openHost('h1');
    const folder = join(fixture.root, 'x');
    const request = { id: 'large/1/1', folder, name: 'attempt 1 of large', threads: 99, memoryMiB: 256, environment: null };
    const { at, machine, reason } = await home.tasks.prepare(request);
    assert.deepEqual([at.host, machine], [null, 'home']);
    assert.match(reason ?? '', /^no host is as large as 99 vCPU/);
    assert.deepEqual([placements[0]?.host, placements[0]?.reason], ['home', reason]);
  });

  test('gets an object that the host has already without fetching it again', async () => {
    const fetched: string[] = [];
    const home = await fixture.openHome();
    await fixture.openHost('h1');
    const content = Buffer.alloc(200_000, 'x');
    const path = join(fixture.root, 'object');
    writeFileSync(path, content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const file = async (): Promise<string> => {
      fetched.push(path);
      return path;
    };
    for (const id of ['one/1/1', 'two/1/1']) {
      const at = await prepared(subjectOf(home), id, { x: { kind: 'object', sha256, file } });
      assert.equal((await run(subjectOf(home), at, 'wc -c <x')).end?.code, 0);
      if (id === 'one/1/1') assert.ok(fetched.splice(0).length > 0);
    }
    assert.deepEqual(fetched, []);
  });
});
