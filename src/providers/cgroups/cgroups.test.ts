/** Uses a simulated kernel, so both cgroup versions are tested on any machine; see function-workers.test.ts for the real one. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Log } from '../../logs/index.ts';
import { type CgroupFiles, hasCpuQuota, ownGroups } from './cgroup-files.ts';
import { CgroupRecord } from './cgroup-record.ts';
import { Cgroups } from './cgroups.ts';

const root = mkdtempSync('/tmp/penstock-test-');
after(() => rmSync(root, { recursive: true }));

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
} satisfies Log as Log;

const me = String(process.pid);

function refusal(code: string): Error {
  return Object.assign(new Error(`${code}: refused by the test's kernel`), { code });
}

/** The relevant part of the kernel's behaviour. */
class Kernel implements CgroupFiles {
  readonly files = new Map<string, string>();
  readonly groups = new Set<string>();
  readonly readOnly = new Set<string>();
  readonly #layout: 'v1' | 'v2';

  constructor(layout: 'v1' | 'v2', mounts: readonly string[], memberships: readonly string[]) {
    this.#layout = layout;
    this.files.set('/proc/self/mountinfo', `${mounts.join('\n')}\n`);
    this.files.set('/proc/self/cgroup', `${memberships.join('\n')}\n`);
  }

  /** An existing group, with processes and the controllers that it enables for its children. */
  group(folder: string, processes: readonly string[] = [], enabled = ''): this {
    this.makeFolder(folder, 'cpu io memory pids');
    this.files.set(join(folder, 'cgroup.procs'), processes.map((pid) => `${pid}\n`).join(''));
    if (this.#layout === 'v2') this.files.set(join(folder, 'cgroup.subtree_control'), enabled);
    return this;
  }

  read(path: string): string {
    const text = this.files.get(path);
    if (text === undefined) throw refusal('ENOENT');
    return text;
  }

  write(path: string, text: string): void {
    if (this.readOnly.has(dirname(path))) throw refusal('EROFS');
    if (!this.files.has(path)) throw refusal('ENOENT');
    if (path.endsWith('cgroup.procs')) return this.#move(text, dirname(path));
    if (path.endsWith('cgroup.subtree_control')) return this.#handOn(text, dirname(path));
    this.files.set(path, text);
  }

  makeFolder(folder: string, controllers = this.files.get(join(dirname(folder), 'cgroup.subtree_control')) ?? ''): void {
    if (this.readOnly.has(dirname(folder))) throw refusal('EROFS');
    if (this.groups.has(folder)) throw refusal('EEXIST');
    this.groups.add(folder);
    const names = this.#layout === 'v1' ? v1Files : ['cgroup.procs', 'cgroup.controllers', 'cgroup.subtree_control'];
    for (const name of names) this.files.set(join(folder, name), '');
    if (this.#layout === 'v1') return;
    this.files.set(join(folder, 'cgroup.controllers'), controllers);
    if (controllers.includes('cpu')) {
      this.files.set(join(folder, 'cpu.max'), 'max 100000');
      this.files.set(join(folder, 'cpu.weight'), '100');
      this.files.set(join(folder, 'cpu.idle'), '0');
    }
    if (controllers.includes('pids')) this.files.set(join(folder, 'pids.max'), 'max');
    if (controllers.includes('memory')) {
      this.files.set(join(folder, 'memory.max'), 'max');
      this.files.set(join(folder, 'memory.swap.max'), 'max');
      this.files.set(join(folder, 'memory.events'), 'low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n');
    }
  }

  removeFolder(folder: string): void {
    if (this.folders(folder).length > 0 || this.files.get(join(folder, 'cgroup.procs')) !== '') throw refusal('EBUSY');
    this.groups.delete(folder);
    for (const path of this.files.keys()) if (dirname(path) === folder) this.files.delete(path);
  }

  folders(folder: string): readonly string[] {
    return [...this.groups].filter((each) => dirname(each) === folder).map((each) => each.slice(folder.length + 1));
  }

  exists(path: string): boolean {
    return this.files.has(path) || this.groups.has(path);
  }

  isWritable(path: string): boolean {
    return !this.readOnly.has(dirname(path));
  }

  /** The process ended. */
  end(pid: string): void {
    for (const folder of this.groups) {
      const path = join(folder, 'cgroup.procs');
      this.files.set(path, (this.files.get(path) as string).replace(`${pid}\n`, ''));
    }
  }

  #move(pid: string, folder: string): void {
    if (this.#layout === 'v2' && folder !== '/sys/fs/cgroup' && this.files.get(join(folder, 'cgroup.subtree_control')) !== '')
      throw refusal('EBUSY');
    const tree = (each: string) => this.#layout === 'v2' || each.startsWith(folder.split('/').slice(0, 5).join('/'));
    for (const each of this.groups) {
      const path = join(each, 'cgroup.procs');
      if (tree(each)) this.files.set(path, (this.files.get(path) as string).replace(`${pid}\n`, ''));
    }
    const path = join(folder, 'cgroup.procs');
    this.files.set(path, `${this.files.get(path)}${pid}\n`);
  }

  #handOn(text: string, folder: string): void {
    const path = join(folder, 'cgroup.subtree_control');
    if (text.includes('+') && folder !== '/sys/fs/cgroup' && this.files.get(join(folder, 'cgroup.procs')) !== '') throw refusal('EBUSY');
    const enabled = new Set((this.files.get(path) as string).split(' ').filter((word) => word !== ''));
    for (const word of text.split(' ')) {
      if (word.startsWith('+')) enabled.add(word.slice(1));
      else enabled.delete(word.slice(1));
    }
    this.files.set(path, [...enabled].join(' '));
  }
}

const v1Files = [
  'cgroup.procs',
  'cpu.cfs_period_us',
  'cpu.cfs_quota_us',
  'cpu.shares',
  'memory.limit_in_bytes',
  'memory.memsw.limit_in_bytes',
  'memory.oom_control',
];

const v2Mount = '31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate';

function v2(path: string): Kernel {
  return new Kernel('v2', [v2Mount], [`0::${path}`]);
}

function v1(): Kernel {
  const mounts = [
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ];
  return new Kernel('v1', mounts, ['4:memory:/jobs/7', '1:cpu,cpuacct:/', '0::/'])
    .group('/sys/fs/cgroup/cpu,cpuacct')
    .group('/sys/fs/cgroup/memory/jobs/7');
}

function notes(): CgroupRecord {
  return new CgroupRecord(mkdtempSync(join(root, 'state-')));
}

function open(files: Kernel, noted = notes()): Cgroups {
  return new Cgroups({ log: silent, name: '7-9', notes: noted, files });
}

const held = { cpu: true, memory: true, reason: null };

describe('cgroups of version 1', () => {
  test("limit memory from the start and CPU on request, each in its own hierarchy below the server's group", () => {
    const kernel = v1();
    const cgroups = open(kernel);
    assert.deepEqual(cgroups.limits, held);
    const group = cgroups.hold(42, 256);
    const cpu = '/sys/fs/cgroup/cpu,cpuacct/penstock-7-9/42';
    const memory = '/sys/fs/cgroup/memory/jobs/7/penstock-7-9/42';
    assert.equal(kernel.read(`${memory}/memory.limit_in_bytes`), String(256 * 1024 ** 2));
    assert.equal(kernel.read(`${memory}/memory.memsw.limit_in_bytes`), String(256 * 1024 ** 2));
    assert.deepEqual([kernel.read(`${cpu}/cgroup.procs`), kernel.read(`${memory}/cgroup.procs`)], ['42\n', '42\n']);
    assert.equal(kernel.read(`${cpu}/cpu.cfs_quota_us`), '');
    assert.equal(group?.limitCpu(0.5), true);
    assert.deepEqual([kernel.read(`${cpu}/cpu.cfs_period_us`), kernel.read(`${cpu}/cpu.cfs_quota_us`)], ['10000', '5000']);
    assert.equal(group?.memoryKills(), 0);
    kernel.files.set(`${memory}/memory.oom_control`, 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
    assert.equal(group?.memoryKills(), 2);
  });

  test('use a longer period for a tiny share, since the kernel rejects quotas below a millisecond', () => {
    const kernel = v1();
    open(kernel)
      .hold(42, null)
      ?.limitCpu(128 / 1769);
    const of = (name: string) => Number(kernel.read(`/sys/fs/cgroup/cpu,cpuacct/penstock-7-9/42/cpu.cfs_${name}_us`));
    assert.ok(of('quota') >= 1000 && Math.abs(of('quota') / of('period') - 128 / 1769) < 1e-3);
  });

  test('limit one resource if the other is not permitted, and report which and why', () => {
    const kernel = v1();
    kernel.readOnly.add('/sys/fs/cgroup/memory/jobs/7');
    const cgroups = open(kernel);
    assert.deepEqual([cgroups.limits.cpu, cgroups.limits.memory], [true, false]);
    assert.match(cgroups.limits.reason as string, /^cgroups cannot limit workers here \(memory: EROFS/);
    assert.equal(cgroups.hold(42, 256)?.limitCpu(0.5), true);
  });

  test('are removed after the worker has ended, possibly with a delay, and all of them on close', () => {
    const kernel = v1();
    const noted = notes();
    const before = new Set(kernel.groups);
    const cgroups = open(kernel, noted);
    const first = cgroups.hold(42, 256);
    first?.remove(); // the kernel still has it
    assert.ok(kernel.groups.has('/sys/fs/cgroup/cpu,cpuacct/penstock-7-9/42'));
    kernel.end('42');
    const second = cgroups.hold(43, 256);
    assert.ok(!kernel.groups.has('/sys/fs/cgroup/cpu,cpuacct/penstock-7-9/42'));
    kernel.end('43');
    second?.remove();
    cgroups.close();
    assert.deepEqual([kernel.groups, noted.list()], [before, []]);
  });

  test('of a killed server are removed by the next, but not while a worker runs in them', () => {
    const kernel = v1();
    const directory = mkdtempSync(join(root, 'state-'));
    const before = new Set(kernel.groups);
    open(kernel, new CgroupRecord(directory)).hold(42, 256); // and is then killed
    const next = () => new Cgroups({ log: silent, name: '8-1', notes: new CgroupRecord(directory), files: kernel });
    next().close();
    assert.ok(kernel.groups.has('/sys/fs/cgroup/memory/jobs/7/penstock-7-9/42'));
    kernel.end('42');
    next().close();
    assert.deepEqual(kernel.groups, before);
  });

  test('of tasks are beside those of workers with less weight, and stay until the task has ended, whichever server runs then', () => {
    const kernel = v1();
    const directory = mkdtempSync(join(root, 'state-'));
    const before = new Set(kernel.groups);
    const { locations, isWeighted } = open(kernel, new CgroupRecord(directory)).makeTaskGroups('job', 512, 4096);
    const [cpu, memory] = ['/sys/fs/cgroup/cpu,cpuacct/penstock-7-9-tasks', '/sys/fs/cgroup/memory/jobs/7/penstock-7-9-tasks/job'];
    assert.deepEqual([isWeighted, locations.map(({ folder }) => folder)], [true, [`${cpu}/job`, memory]]);
    assert.equal(kernel.read(`${cpu}/cpu.shares`), '205'); // before Linux 5.15 there is no cpu.idle
    assert.equal(kernel.read(`${memory}/memory.limit_in_bytes`), String(512 * 1024 ** 2));
    for (const { folder } of locations) kernel.write(join(folder, 'cgroup.procs'), '42');
    const next = () => new Cgroups({ log: silent, name: '8-1', notes: new CgroupRecord(directory), files: kernel });
    next().close();
    assert.ok(kernel.groups.has(memory));
    kernel.end('42');
    next().close();
    assert.deepEqual(kernel.groups, before);
  });
});

describe('cgroups of version 2', () => {
  test('limit both in one group if the parent enables both controllers', () => {
    const kernel = v2('/penstock').group('/sys/fs/cgroup', ['1'], 'cpu memory').group('/sys/fs/cgroup/penstock', [], 'cpu memory');
    const cgroups = open(kernel);
    assert.deepEqual(cgroups.limits, held);
    const group = cgroups.hold(42, 128);
    const folder = '/sys/fs/cgroup/penstock/penstock-7-9/42';
    assert.deepEqual([kernel.read(`${folder}/memory.max`), kernel.read(`${folder}/memory.swap.max`)], [String(128 * 1024 ** 2), '0']);
    assert.equal(kernel.read(`${folder}/cgroup.procs`), '42\n');
    assert.equal(kernel.read(`${folder}/cpu.max`), 'max 100000');
    assert.equal(group?.limitCpu(1.5), true);
    assert.equal(kernel.read(`${folder}/cpu.max`), '15000 10000');
    kernel.files.set(`${folder}/memory.events`, 'oom 1\noom_kill 1\noom_group_kill 0\n');
    assert.equal(group?.memoryKills(), 1);
    const tasks = cgroups.makeTaskGroups('job', 512, 4096);
    const own = '/sys/fs/cgroup/penstock/penstock-7-9-tasks';
    assert.deepEqual([tasks.isWeighted, tasks.locations.map((location) => location.folder)], [true, [`${own}/job`]]);
    assert.deepEqual([kernel.read(`${own}/cpu.weight`), kernel.read(`${own}/job/memory.max`)], ['20', String(512 * 1024 ** 2)]);
    assert.equal(kernel.read(`${own}/cpu.idle`), '1');
  });

  test('move a server that is alone in its group aside for its workers, and back when it closes', () => {
    const own = '/sys/fs/cgroup/system.slice/penstock.service';
    const kernel = v2('/system.slice/penstock.service').group(own, [me]);
    const cgroups = open(kernel);
    assert.deepEqual(cgroups.limits, held);
    assert.equal(kernel.read(`${own}/penstock-server-7-9/cgroup.procs`), `${me}\n`);
    cgroups.close();
    assert.deepEqual([...kernel.groups], [own]);
    assert.deepEqual([kernel.read(`${own}/cgroup.procs`), kernel.read(`${own}/cgroup.subtree_control`)], [`${me}\n`, '']);
  });

  test('are created next to the group of a shell, if that has no limits and the parent is writable', () => {
    const slice = '/sys/fs/cgroup/user.slice/app.slice';
    const shell = () => v2('/user.slice/app.slice/shell.scope').group(slice, [], 'cpu memory').group(`${slice}/shell.scope`, ['17', me]);
    const kernel = shell();
    assert.deepEqual(open(kernel).limits, held);
    assert.ok(kernel.groups.has(`${slice}/penstock-7-9`));
    const limited = shell();
    limited.files.set(`${slice}/shell.scope/memory.max`, '1073741824');
    assert.equal(open(limited).limits.memory, false, 'this would evade the limit of the shell');
    const foreign = shell();
    foreign.readOnly.add(slice);
    const { cpu, memory, reason } = open(foreign).limits;
    assert.deepEqual([cpu, memory], [false, false]);
    assert.match(
      reason as string,
      /^cgroups cannot limit workers here \(cpu and memory: .*start the server in its own group, for example with systemd-run/,
    );
  });

  test('report a missing controller', () => {
    const kernel = v2('/').group('/sys/fs/cgroup', ['1'], '');
    kernel.files.set('/sys/fs/cgroup/cgroup.controllers', 'memory pids\n');
    assert.match(open(kernel).limits.reason as string, /has no cpu controller/);
  });

  test('are not used if mounted read-only, as in a container', () => {
    const kernel = v2('/').group('/sys/fs/cgroup', ['1', me], '');
    kernel.readOnly.add('/sys/fs/cgroup');
    const cgroups = open(kernel);
    assert.deepEqual([cgroups.limits.cpu, cgroups.limits.memory], [false, false]);
    assert.match(cgroups.limits.reason as string, /EROFS/);
    assert.equal(cgroups.hold(42, 128), null);
    cgroups.close();
  });
});

test('works on a system without cgroups', () => {
  const kernel = new Kernel('v2', [], []);
  kernel.files.clear();
  const cgroups = open(kernel);
  assert.deepEqual([cgroups.limits.cpu, cgroups.limits.memory, cgroups.hold(1, 1)], [false, false, null]);
  assert.match(cgroups.limits.reason as string, /the system does not have this controller/);
});

test('finds the group of a process below the part of the hierarchy that a container sees', () => {
  const line = '35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory';
  const inside = new Kernel('v1', [line], ['4:memory:/docker/abc/7']);
  assert.deepEqual(ownGroups(inside).memory, { layout: 'v1', mount: '/sys/fs/cgroup/memory', folder: '/sys/fs/cgroup/memory/7' });
  const outside = new Kernel('v1', [line], ['4:memory:/docker/abc']);
  assert.equal(ownGroups(outside).memory?.folder, '/sys/fs/cgroup/memory');
  assert.equal(ownGroups(outside).cpu, null);
});

describe('detecting a CPU quota of this process', () => {
  const line = '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu';
  const mount = '/sys/fs/cgroup/cpu';

  test('version 1: in its own group or a parent', () => {
    const kernel = new Kernel('v1', [line], ['1:cpu:/a/b']);
    for (const folder of [mount, `${mount}/a`, `${mount}/a/b`, `${mount}/other`]) kernel.group(folder);
    const quota = (folder: string, us: string) => kernel.files.set(join(folder, 'cpu.cfs_quota_us'), `${us}\n`);
    for (const folder of kernel.groups) quota(folder, '-1');
    quota(`${mount}/other`, '30000');
    assert.equal(hasCpuQuota(kernel), false);
    for (const folder of [mount, `${mount}/a`, `${mount}/a/b`]) {
      quota(folder, '30000');
      assert.equal(hasCpuQuota(kernel), true, folder);
      quota(folder, '-1');
    }
  });

  test('version 2: the same, but the root never has one', () => {
    const kernel = v2('/docker/7').group('/sys/fs/cgroup').group('/sys/fs/cgroup/docker').group('/sys/fs/cgroup/docker/7');
    kernel.files.delete('/sys/fs/cgroup/cpu.max');
    assert.equal(hasCpuQuota(kernel), false);
    kernel.files.set('/sys/fs/cgroup/docker/cpu.max', '150000 100000\n');
    assert.equal(hasCpuQuota(kernel), true);
  });

  test('a container has the quota of its own root; without information there is none', () => {
    const kernel = v2('/').group('/sys/fs/cgroup');
    kernel.files.set('/sys/fs/cgroup/cpu.max', '50000 100000\n');
    assert.equal(hasCpuQuota(kernel), true);
    assert.equal(hasCpuQuota(new Kernel('v1', [], [])), false);
  });
});
