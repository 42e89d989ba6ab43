/**
 * Runs real tasks in each isolation mode that works here. As root, this file also runs itself as an ordinary user.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { privateCheckout } from '../../../test/private-checkout.ts';
import { TaskFixture } from '../../../test/task-fixture.ts';
import { startTicks } from '../processes/process-facts.ts';
import type { TaskView } from './task.ts';

const isRoot = process.getuid?.() === 0;
const python = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';

for (const mode of isRoot ? ['root', 'landlock', 'none'] : ['user', 'landlock']) {
  describe(`tasks in mode ${mode}, ${isRoot ? 'server as root' : 'server as an ordinary user'},`, () => {
    const fixture = new TaskFixture(mode);
    const isNamespaced = mode === 'root' || mode === 'user';
    let isPossible = false;

    before(async () => {
      isPossible = await fixture.open();
    });
    after(() => fixture.close());

    function promises(what: string, act: () => Promise<void>, skip: string | false = false): void {
      test(what, { skip }, async (context) => {
        if (!isPossible) return context.skip(`mode ${mode} does not work here: ${fixture.provider.isolation?.reason}`);
        if (isRoot && mode === 'landlock' && privateCheckout !== false) return context.skip(privateCheckout);
        await act();
      });
    }

    promises('run with their folders, variables and exit code', async () => {
      const script = `echo "$OMP_NUM_THREADS $LR"; echo oops >&2; cat $ML/input/rows.csv; echo model > $ML/model/m; echo t > $TMPDIR/t; exit 3`;
      const folder = fixture.folder('plain/1');
      mkdirSync(join(folder, 'ml/input'), { recursive: true });
      writeFileSync(join(folder, 'ml/input/rows.csv'), 'a,b\n', { mode: 0o600 });
      const { ml } = fixture.tasks.paths(folder);
      const view = await fixture.run(script, { id: 'plain/1', folder, threads: 3, environment: { ML: ml, LR: '0.5' } });
      assert.deepEqual([view.end?.code, view.end?.signal, view.end?.why], [3, null, 'exit']);
      const lines = await fixture.lines('plain/1');
      assert.deepEqual(
        lines.filter(({ from }) => from === 'out').map(({ line }) => line),
        ['3 0.5', 'a,b'],
      );
      assert.deepEqual(
        lines.filter(({ from }) => from === 'err').map(({ line }) => line),
        ['oops'],
      );
      assert.equal(readFileSync(join(folder, 'ml/model/m'), 'utf8'), 'model\n');
      assert.equal(ml === '/opt/ml', isNamespaced);
    });

    promises('have any variables, and these do not reach the programs that isolate them', async () => {
      const folder = fixture.folder('variables/1');
      mkdirSync(join(folder, 'ml'), { recursive: true });
      const trap = join(folder, 'ml/sh');
      writeFileSync(trap, `#!/bin/sh\necho trapped > ${join(fixture.directory, 'trapped')}\n`, { mode: 0o755 });
      const environment = {
        PATH: `${folder}/ml:/usr/bin:/bin`,
        QUOTED: `it's "$HOME" \\`,
        'SM_HP_LEARNING-RATE': '0.1',
        LD_PRELOAD: '/none.so',
      };
      // Not by a shell: it passes on only variables with a name of its own kind.
      const view = await fixture.run('', { id: 'variables/1', folder, environment, command: ['/usr/bin/env'] });
      assert.equal(view.end?.code, 0);
      const out = (await fixture.lines(view.id)).filter(({ from }) => from === 'out').map(({ line }) => line);
      for (const [name, value] of Object.entries(environment)) assert(out.includes(`${name}=${value}`), `${name}: ${out.join(' ')}`);
      assert.equal(existsSync(join(fixture.directory, 'trapped')), false);
      await assert.rejects(fixture.start('true', { environment: { 'A=B': '' } }), /expected a name without =/);
    });

    promises('read what they are lent, and cannot change it', async () => {
      const { directory } = fixture;
      const object = join(directory, 'object');
      writeFileSync(object, 'rows', { mode: 0o600 });
      const environment = join(directory, 'environments/sklearn');
      mkdirSync(environment, { recursive: true, mode: 0o755 });
      writeFileSync(join(environment, 'package'), 'package', { mode: 0o644 });
      const folder = fixture.folder('lent/1');
      const { ml } = fixture.tasks.paths(folder);
      const script = `cat $ML/input/data/train/2026/rows.csv ${environment}/package; echo x > $ML/input/data/train/2026/rows.csv; echo x > ${environment}/new`;
      const view = await fixture.run(script, {
        id: 'lent/1',
        folder,
        readOnly: [{ source: environment, target: environment }],
        lent: [{ target: `${ml}/input/data/train`, files: [{ path: object, name: '2026/rows.csv', bytes: 4 }] }],
      });
      assert.equal((await fixture.text(view.id)).includes('rowspackage'), true, await fixture.text(view.id));
      if (mode === 'none') return;
      assert.notEqual(view.end?.code, 0);
      assert.equal(readFileSync(object, 'utf8'), 'rows');
      assert.deepEqual(readdirSync(environment), ['package']);
    });

    if (mode !== 'none') {
      promises('cannot read keys or other tasks, and gain no rights', async () => {
        await fixture.run('echo other > $ML/model/secret', { id: 'other/1' });
        const paths = ['keys.json', 'training/other/1/ml/model/secret', 'training/mine/1/task.json'].map((path) =>
          join(fixture.directory, path),
        );
        const script = `for path in ${paths.join(' ')}; do cat $path /proc/1/root$path 2>&1; done; ls ${fixture.directory}; grep NoNewPrivs /proc/self/status`;
        const view = await fixture.run(script, { id: 'mine/1' });
        const text = await fixture.text(view.id);
        assert.match(text, isNamespaced ? /keys\.json: No such file or directory/ : /keys\.json: Permission denied/);
        assert.doesNotMatch(text, /secret$|other$|^\{/m);
        assert.match(text, /NoNewPrivs:\s+1/);
      });
    }

    if (isNamespaced) {
      promises('know the host algo-1, see only their own processes, and cannot end process 1', async () => {
        const script = `grep algo-1 /etc/hosts; ls -d /proc/[0-9]* | wc -l; kill -9 1; kill -TERM 1; echo alive; test -e ${fixture.directory}/training && echo seen`;
        const view = await fixture.run(script);
        // Lines of stderr (kill complains) may come before or after those of stdout.
        const lines = (await fixture.lines(view.id)).filter(({ from }) => from === 'out').map(({ line }) => line);
        assert.equal(lines[0], '127.0.0.1 algo-1');
        assert(Number(lines[1]) <= 8, `${lines[1]} processes`);
        assert.equal(lines.at(-1), 'alive');
      });

      promises(
        'reach no network if that is requested, except their own',
        async () => {
          const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
          await new Promise((resolve) => server.once('listening', resolve));
          const { port } = server.address() as { port: number };
          const code = `import socket\ntry:\n  socket.create_connection(('127.0.0.1', ${port}), 5); print('connected')\nexcept OSError as error: print(type(error).__name__)`;
          const results: string[] = [];
          for (const hasNetwork of [true, false]) {
            const { id } = await fixture.run('exec python3 -c "$CODE"', { hasNetwork, environment: { CODE: code } });
            results.push(await fixture.text(id));
          }
          server.close();
          assert.equal(results[0], 'connected');
          assert.match(results[1] ?? '', /ConnectionRefusedError|OSError/);
        },
        python,
      );
    }

    promises('end with everything that they started, also in other sessions', async () => {
      const name = `penstock-test-${process.pid}-${mode}`;
      const script = `setsid sh -c 'exec sleep 3${process.pid}' </dev/null >/dev/null 2>&1 & setsid sh -c 'exec sleep 3${process.pid}' & echo ${name}`;
      const view = await fixture.run(script);
      assert.deepEqual([view.state, view.end?.code], ['ended', 0]);
      assert.deepEqual(processesWith(`sleep\x003${process.pid}`), []);
    });

    promises('are stopped by SIGTERM, and can end in order', async () => {
      const { id } = await fixture.start(
        `trap 'echo checkpoint > $ML/model/c; echo saved; exit 5' TERM; echo ready; while :; do sleep 0.05; done`,
      );
      await fixture.untilPrinted(id, 'ready');
      const { pid, cpuMs, rssBytes } = await fixture.until(id, 'running');
      assert(pid !== null && startTicks(pid) !== null && cpuMs >= 0 && rssBytes > 0);
      await fixture.tasks.stop(id);
      const { end } = await fixture.until(id, 'ended');
      assert.deepEqual([end?.code, end?.why], [5, 'stopped']);
      assert.match(await fixture.text(id), /saved$/);
    });

    promises('that ignore SIGTERM are ended after the grace period', async () => {
      const { id } = await fixture.start(`trap '' TERM; echo ready; while :; do sleep 0.05; done`);
      await fixture.untilPrinted(id, 'ready');
      await fixture.tasks.stop(id, 100);
      const { end } = await fixture.until(id, 'ended');
      assert.deepEqual([end?.code, end?.signal, end?.why], [null, 'SIGKILL', 'stopped']);
    });

    promises('are stopped at their time limit', async () => {
      const view = await fixture.run('sleep 60', { maxRuntimeMs: 300, stopGraceMs: 5000 });
      assert.deepEqual([view.end?.why, view.end?.signal], ['time', 'SIGTERM']);
      assert.match(view.end?.detail ?? '', /longer than 0\.3 s/);
    });

    promises('end at once if they are stopped while they start', async () => {
      const { id } = await fixture.start('sleep 60');
      await fixture.tasks.stop(id, 5_000);
      const { end } = await fixture.until(id, 'ended');
      assert.equal(end?.why, 'stopped');
    });

    promises(
      'that use too much memory are ended with that reason',
      async () => {
        const code = `held = []\nwhile True: held.append(bytearray(8 * 1024 ** 2))`;
        const view = await fixture.run('exec python3 -c "$CODE"', { memoryMiB: 96, environment: { CODE: code } });
        assert.equal(view.end?.why, 'memory', JSON.stringify(view.end));
        assert.match(view.end?.detail ?? '', /more than 96 MiB/);
        assert((view.end?.peakRssBytes ?? 0) >= 96 * 1024 ** 2);
      },
      python,
    );

    promises('that write too much are ended with that reason', async () => {
      const view = await fixture.run('i=0; while :; do i=$((i+1)); head -c 1048576 /dev/zero > $ML/model/$i; done', { diskMiB: 64 });
      assert.equal(view.end?.why, 'disk', JSON.stringify(view.end));
      assert.match(view.end?.detail ?? '', /more than 64 MiB of the disk: VolumeSizeInGB/);
      await fixture.tasks.remove(view.id);
      assert.equal(existsSync(view.folder), false);
    });

    promises('print anything: no line is lost, and the log stays readable', async () => {
      const script = `printf 'a\\000b\\n\\033[31mred\\033[0m\\n\\377\\376x\\n'; head -c 700000 /dev/zero | tr '\\0' y; echo; printf 'no end'`;
      const view = await fixture.run(script);
      const lines = (await fixture.lines(view.id)).map(({ line }) => line);
      assert.deepEqual(lines.slice(0, 3), ['a\0b', '\u001b[31mred\u001b[0m', '\ufffd\ufffdx']);
      assert.deepEqual(
        lines.slice(3).map(({ length }) => length),
        [262_144, 262_144, 700_000 - 524_288, 6],
      );
    });

    promises('are found again by the next server, which ends none of them', async () => {
      const { id, folder } = await fixture.start(`echo ready; while [ ! -e $ML/go ]; do sleep 0.05; done; echo done`);
      const { pid } = await fixture.until(id, 'running');
      const next = new TaskFixture(mode, fixture.directory);
      await next.open();
      const found = next.view(id);
      assert.deepEqual([found.state, found.pid, found.folder], ['running', pid, folder]);
      writeFileSync(join(folder, 'ml/go'), '');
      const view: TaskView = await next.until(id, 'ended');
      assert.deepEqual([view.end?.code, await next.text(id)], [0, 'ready\ndone']);
      await fixture.until(id, 'ended');
      await next.provider.close();
    });

    promises('reserve the trust that they may abuse: calls without a key are not taken for those of the operator', async () => {
      const { id } = await fixture.start('sleep 60');
      const { provider } = fixture;
      assert.equal(provider.isForeignCodeUnconfined() || provider.hasForeignUsers(), true);
      await fixture.tasks.stop(id, 0);
      await fixture.until(id, 'ended');
    });
  });
}

test('a folder is used once, and a task is not removed while it runs', async () => {
  const fixture = new TaskFixture('auto');
  await fixture.open();
  try {
    const { id, folder } = await fixture.start('sleep 60');
    await assert.rejects(fixture.tasks.remove(id), /still runs: stop it first/);
    await assert.rejects(fixture.start('true', { id: 'second/1', folder }), /was used by a task/);
    await fixture.start('true', { id, folder }); // the same id again changes nothing
    assert.equal(fixture.tasks.adopt(folder)?.id, id);
    assert.equal(fixture.tasks.adopt(fixture.folder('none/1')), null);
  } finally {
    await fixture.close();
  }
});

test('a server without any isolation starts no task', { skip: isRoot }, async () => {
  const fixture = new TaskFixture('root');
  await fixture.open();
  try {
    await assert.rejects(fixture.start('true'), /code of a training job is not started because no isolation works here/);
  } finally {
    await fixture.close();
  }
});

test('all of this holds for a server run by an ordinary user', { skip: !isRoot || privateCheckout }, () => {
  const noOne = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const env = { PATH: process.env['PATH'], HOME: '/tmp' };
  const child = spawnSync('setpriv', [...noOne, process.execPath, '--test', '--test-reporter=tap', import.meta.filename], {
    env,
    encoding: 'utf8',
  });
  assert.equal(child.status, 0, child.stdout + child.stderr);
});

/** Running processes whose command line begins so. */
function processesWith(commandLine: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(commandLine) && startTicks(Number(pid)) !== null;
    } catch {
      return false;
    }
  });
}
