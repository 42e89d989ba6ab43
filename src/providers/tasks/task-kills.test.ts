/** Kills servers, supervisors and scripts with SIGKILL. This file also runs itself as the server that is killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { newDirectory, TaskFixture } from '../../../test/task-fixture.ts';
import { startTicks } from '../processes/process-facts.ts';
import { markName } from '../processes/process-tree.ts';
import { observeTask } from './task-observation.ts';
import { readTaskFile, type TaskPlan, taskMainPath, writeTaskFile } from './task-plan.ts';

const id = 'job/1';
/** Prints a line every few milliseconds until a file says that it shall end. */
const script = `trap 'echo term; exit 9' TERM; i=0; while [ ! -e $ML/go ]; do i=$((i+1)); echo $i; sleep 0.01; done; echo last $i`;

const asServer = process.env['PENSTOCK_TEST_DIRECTORY'];
if (asServer !== undefined) {
  const fixture = new TaskFixture('auto', asServer);
  await fixture.open();
  process.execPath = process.env['PENSTOCK_TEST_SUPERVISOR'] ?? process.execPath;
  if (fixture.tasks.list().length === 0) await fixture.start(script, { id });
  process.stdout.write('open\n');
} else {
  for (const [name, run] of Object.entries(allTests())) test(name, run);
}

/** A server in a process of its own that runs the script; resolves when it has started the task. `supervisor`: a program instead of it. */
async function startServer(directory: string, supervisor?: string): Promise<ChildProcess> {
  const env = {
    ...process.env,
    PENSTOCK_TEST_DIRECTORY: directory,
    ...(supervisor !== undefined && { PENSTOCK_TEST_SUPERVISOR: supervisor }),
  };
  const child = spawn(process.execPath, [import.meta.filename], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  assert(child.stdout !== null);
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A next server, once the task of the killed one runs. */
async function nextServer(directory: string): Promise<TaskFixture> {
  const next = new TaskFixture('auto', directory);
  await next.open();
  return next;
}

function isRunning(pid: number | null): boolean {
  return pid !== null && startTicks(pid) !== null;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function allTests(): Record<string, () => Promise<void>> {
  return {
    'a task whose server was killed before its supervisor began is begun by the next one, once': async () => {
      const directory = newDirectory();
      const sleeper = join(directory, 'sleeper');
      writeFileSync(sleeper, '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 });
      await kill(await startServer(directory, sleeper));
      writeFileSync(join(directory, 'training', id, 'ml/go'), '');
      const next = await nextServer(directory);
      const { end } = await next.until(id, 'ended', 'lost');
      assert.deepEqual([end?.code, (await next.lines(id)).map(({ line }) => line)], [0, ['last 0']]);
      await next.close();
    },
    'a task outlives killed servers: the same process, and no line lost or twice': async () => {
      const directory = newDirectory();
      const folder = join(directory, 'training', id);
      const pids = new Set<number | null>();
      for (let round = 0; round < 4; round++) {
        const server = await startServer(directory);
        await until(() => observeTask(folder).kind === 'running');
        pids.add(readTaskFile(folder, 'claim')?.commandPid ?? null);
        await kill(server);
      }
      const next = await nextServer(directory);
      const { pid } = await next.until(id, 'running');
      pids.add(pid);
      assert.equal(pids.size, 1, [...pids].join(' '));
      writeFileSync(join(folder, 'ml/go'), '');
      const { end } = await next.until(id, 'ended');
      assert.deepEqual([end?.code, end?.why], [0, 'exit']);
      const lines = (await next.lines(id)).map(({ line }) => line);
      const count = lines.length - 1;
      assert.deepEqual(lines, [...Array.from({ length: count }, (_, i) => String(i + 1)), `last ${count}`]);
      await next.close();
    },

    'a task that ends while no server runs is found with its end and all its output': async () => {
      const directory = newDirectory();
      const folder = join(directory, 'training', id);
      const server = await startServer(directory);
      await until(() => observeTask(folder).kind === 'running');
      await kill(server);
      writeFileSync(join(folder, 'ml/go'), '');
      await until(() => observeTask(folder).kind === 'ended');
      const next = await nextServer(directory);
      const view = next.view(id);
      assert.deepEqual([view.state, view.end?.code], ['ended', 0]);
      assert.match(await next.text(id), /last \d+$/);
      await next.close();
    },

    'a killed script ends its task by SIGKILL, with everything that it started': async () => {
      const fixture = await nextServer(newDirectory());
      await fixture.start(`(while :; do sleep 0.05; done) & echo $!; wait`, { id });
      const { pid } = await fixture.until(id, 'running');
      process.kill(pid as number, 'SIGKILL');
      const { state, end } = await fixture.until(id, 'ended', 'lost');
      assert.deepEqual([state, end?.signal, end?.why], ['ended', 'SIGKILL', 'exit']);
      await fixture.close();
    },

    'a killed supervisor ends its task, which is lost; nothing of it can start again': async () => {
      const fixture = await nextServer(newDirectory());
      const { folder } = await fixture.start(script, { id });
      const { pid } = await fixture.until(id, 'running');
      const claim = readTaskFile(folder, 'claim');
      process.kill(claim?.pid as number, 'SIGKILL');
      const view = await fixture.until(id, 'ended', 'lost');
      assert.deepEqual([view.state, view.pid], ['lost', null]);
      await until(() => !isRunning(pid)); // its memory is gone, but its entry in the table of processes may be left for a moment
      await fixture.close();
    },

    'a supervisor and a server that are killed together: the next server finds the task lost': async () => {
      const directory = newDirectory();
      const folder = join(directory, 'training', id);
      const server = await startServer(directory);
      await until(() => observeTask(folder).kind === 'running');
      await kill(server);
      process.kill(readTaskFile(folder, 'claim')?.pid as number, 'SIGKILL');
      await until(() => observeTask(folder).kind === 'gone');
      const old = Date.now() / 1000 - 60;
      for (const name of ['alive', 'pid', 'task.json']) utimesSync(join(folder, name), old, old);
      const next = await nextServer(directory);
      assert.equal((await next.until(id, 'ended', 'lost')).state, 'lost');
      await next.close();
    },

    'a SIGTERM that no server sent is not reported as a stop': async () => {
      const fixture = await nextServer(newDirectory());
      const { folder } = await fixture.start(script, { id });
      await fixture.until(id, 'running');
      await fixture.untilPrinted(id, '1');
      process.kill(readTaskFile(folder, 'claim')?.pid as number, 'SIGTERM');
      const { end } = await fixture.until(id, 'ended');
      assert.deepEqual([end?.why, end?.code], ['shutdown', 9]);
      await fixture.close();
    },

    'a task ends by itself if no server runs in its data directory': async () => {
      const folder = join(newDirectory(), 'task');
      const supervisor = superviseAlone(folder, 1000);
      await until(() => observeTask(folder).kind === 'ended');
      const end = readTaskFile(folder, 'end');
      assert.deepEqual([end?.why, end?.code], ['abandoned', 9]);
      assert.match(end?.detail ?? '', /no server ran in its data directory for 1 s/);
      await supervisor;
      rmSync(dirname(folder), { recursive: true });
    },

    'a task has one supervisor: a second one does nothing': async () => {
      const folder = join(newDirectory(), 'task');
      const first = superviseAlone(folder, 60_000);
      await until(() => observeTask(folder).kind === 'running');
      const claim = readTaskFile(folder, 'claim');
      await superviseAlone(folder, 60_000);
      assert.deepEqual(readTaskFile(folder, 'claim'), claim);
      writeFileSync(join(folder, 'ml/go'), '');
      await first;
      assert.equal(readTaskFile(folder, 'end')?.code, 0);
      rmSync(dirname(folder), { recursive: true });
    },
  };
}

/** Runs a supervisor without a server; resolves when it has ended. */
async function superviseAlone(folder: string, abandonedMs: number): Promise<void> {
  const ml = join(folder, 'ml');
  mkdirSync(ml, { recursive: true });
  const plan: TaskPlan = {
    id,
    program: 'sh',
    args: ['-c', script],
    environment: { PATH: process.env['PATH'] ?? '', ML: ml, [markName]: folder },
    isNamespaced: false,
    owner: null,
    hasNetwork: true,
    mark: folder,
    groups: [],
    memoryMiB: 512,
    diskMiB: 1024,
    folders: [ml],
    maxRuntimeMs: null,
    stopGraceMs: 10_000,
    serverSign: join(folder, 'server'),
    abandonedMs,
  };
  writeTaskFile(folder, 'plan', plan);
  const child = spawn(process.execPath, [taskMainPath, folder], { stdio: 'inherit', detached: true });
  await once(child, 'exit');
}
