/** What every implementation of `Tasks` promises, whichever machine runs the tasks. Scripts of /bin/sh, whose `ML` is the path of /opt/ml. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TaskAddress, TaskInput, TaskLine, TaskSpec, Tasks, TaskView } from '../src/providers/index.ts';

/** One implementation, opened by its test. */
export interface TasksSubject {
  readonly tasks: Tasks;
  /** The name of the machine that tasks are expected to run on; null for that of the server. */
  readonly host: string | null;
  /** A parent folder for the folders of tasks, on the machine of the server. */
  readonly parent: string;
}

const signal = new AbortController().signal;

export function describeTasksContract(name: string, open: () => Promise<TasksSubject>): void {
  describe(name, { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'penstock-tasks-'));
    let subject: TasksSubject;
    before(async () => {
      subject = await open();
    });
    after(() => rmSync(folder, { recursive: true }));

    test('writes inputs of any size, as objects and as streams, and runs the command with them', async () => {
      const { tasks } = subject;
      const large = Buffer.alloc(3 * 2 ** 20, 'rows\n');
      const at = await prepared(subject, 'inputs/1/1', {
        'input/a.csv': objectOf(join(folder, 'a.csv'), 'a,b\n'),
        'input/deep/er.bin': objectOf(join(folder, 'er.bin'), large),
        'input/empty': streamOf([]),
        'input/streamed': streamOf([large.subarray(0, 1_000_000), large.subarray(1_000_000)]),
      });
      await tasks.makeFolders(at, ['model', 'output/data']);
      const script =
        'cat input/a.csv; cmp input/deep/er.bin input/streamed && wc -c <input/empty; ls -d model output/data; echo oops >&2; exit 3';
      const view = await run(subject, at, script);
      assert.deepEqual([view.state, view.end?.code, view.end?.why, view.host ?? null], ['ended', 3, 'exit', subject.host]);
      const lines = await linesOf(tasks, at.id);
      const texts = (from: TaskLine['from']): string[] => lines.filter((line) => line.from === from).map(({ line }) => line.trim());
      assert.deepEqual(texts('out'), ['a,b', '0', 'model', 'output/data']);
      assert.deepEqual(texts('err'), ['oops']);
      await tasks.discard(at);
    });

    test('reads the files that a task wrote, in ranges, and none outside of its folders', async () => {
      const { tasks } = subject;
      const at = await prepared(subject, 'files/1/1', {});
      const script = `mkdir -p model/sub; head -c 1500000 /dev/zero >model/sub/zeros; echo ok >model/run; chmod +x model/run; ln -s /etc/passwd model/out; ln -s run model/in`;
      await run(subject, at, script);
      const { files, notes, isTooMany } = await tasks.files(at, 'model');
      assert.deepEqual(
        files.map(({ path, bytes, isExecutable }) => [path, bytes, isExecutable]),
        [
          ['in', 3, true],
          ['run', 3, true],
          ['sub/zeros', 1_500_000, false],
        ],
      );
      assert.deepEqual([notes, isTooMany], [['"out" is a link out of the folder and was left out'], false]);
      assert.deepEqual(await tasks.files(at, 'nothing'), { files: [], notes: [], isTooMany: false });
      assert.equal((await tasks.files(at, 'model', 1)).isTooMany, true);
      for (const path of ['out', 'absent', 'sub', '../../task.json']) {
        const opened = await tasks.openFile(at, 'model', path).catch(() => null);
        assert.equal(opened, null, path);
      }
      const zeros = await tasks.openFile(at, 'model', 'sub/zeros');
      assert(zeros !== null);
      assert.equal(zeros.bytes, 1_500_000);
      let read = 0;
      for (let chunk = await zeros.read(0, 100_000); chunk.length > 0; chunk = await zeros.read(read, 100_000)) {
        assert(chunk.length <= 100_000 && chunk.every((byte) => byte === 0));
        read += chunk.length;
      }
      assert.equal(read, 1_500_000);
      assert.equal((await zeros.read(1_499_999, 10)).length, 1);
      await zeros.close();
      await tasks.discard(at);
    });

    test('finds a task by its address, stops it with time to write, and forgets it with its folder', async () => {
      const { tasks } = subject;
      const at = await prepared(subject, 'stops/1/1', {});
      assert.equal(await tasks.find(at, signal), null);
      const states: string[] = [];
      const unsubscribe = tasks.onChange(({ id, state }) => id === at.id && states.push(state));
      const script = `trap 'mkdir -p model; echo saved >model/checkpoint; exit 0' TERM; echo ready; while true; do sleep 0.05; done`;
      await start(subject, at, script);
      await start(subject, at, script);
      await printed(tasks, at.id, 'ready');
      while ((await tasks.find(at, signal))?.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 20));
      await tasks.stop(at.id, 10_000);
      const view = await ended(tasks, at.id);
      assert.deepEqual([view.end?.why, view.end?.code], ['stopped', 0]);
      assert.deepEqual(
        (await tasks.files(at, 'model')).files.map(({ path }) => path),
        ['checkpoint'],
      );
      await tasks.stop(at.id);
      await tasks.discard(at);
      unsubscribe();
      assert.deepEqual([states.includes('running'), states.at(-1)], [true, 'ended']);
      assert.equal(await tasks.find(at, signal), null);
      assert(!tasks.list().some(({ id }) => id === at.id));
      await tasks.discard(at);
    });

    test('ends a running task that is discarded, and a folder can be prepared again', async () => {
      const { tasks } = subject;
      const at = await prepared(subject, 'again/1/1', { old: streamOf([Buffer.from('old')]) });
      await start(subject, at, 'sleep 60');
      await tasks.discard(at);
      const again = await prepared(subject, 'again/1/1', {});
      const view = await run(subject, again, 'test ! -e old');
      assert.equal(view.end?.code, 0);
      await tasks.discard(again);
    });

    test('rejects a start that its machine cannot do, with the reason', async () => {
      const at = await prepared(subject, 'wrong/1/1', {});
      await assert.rejects(start(subject, at, 'true', { environment: { 'A=B': '' } }), /expected a name without =/);
      await subject.tasks.discard(at);
    });
  });
}

function objectOf(path: string, content: string | Buffer): TaskInput {
  writeFileSync(path, content);
  return { kind: 'object', sha256: createHash('sha256').update(content).digest('hex'), file: async () => path };
}

function streamOf(content: Iterable<Uint8Array>): TaskInput {
  return { kind: 'stream', content };
}

interface PreparedTaskAddress extends TaskAddress {
  readonly ml: string;
}

export async function prepared(
  { tasks, host, parent }: TasksSubject,
  id: string,
  inputs: Readonly<Record<string, TaskInput>>,
): Promise<PreparedTaskAddress> {
  const folder = join(parent, ...id.split('/').slice(0, 2));
  const { at, paths } = await tasks.prepare({ id, folder, name: id, threads: 1, memoryMiB: 256, environment: null });
  assert.equal(at.host, host);
  for (const [path, input] of Object.entries(inputs)) await tasks.put(at, path, input);
  return { ...at, ml: paths.ml };
}

export async function start(
  { tasks }: TasksSubject,
  { id, folder, ml }: PreparedTaskAddress,
  script: string,
  more: Partial<TaskSpec> = {},
): Promise<void> {
  await tasks.start({
    id,
    folder,
    command: ['/bin/sh', '-c', `cd ${ml}; ${script}`],
    environment: {},
    readOnly: [],
    lent: [],
    threads: 1,
    memoryMiB: 256,
    diskMiB: 1024,
    hasNetwork: false,
    isPreemptible: false,
    maxRuntimeMs: null,
    stopGraceMs: 10_000,
    ...more,
  });
}

export async function run(subject: TasksSubject, at: PreparedTaskAddress, script: string): Promise<TaskView> {
  await start(subject, at, script);
  return ended(subject.tasks, at.id);
}

/** Resolves when the task has ended or is lost. */
export function ended(tasks: Tasks, id: string): Promise<TaskView> {
  return new Promise((resolve) => {
    const look = (view: TaskView | undefined): void => {
      if (view?.id !== id || (view.state !== 'ended' && view.state !== 'lost')) return;
      unsubscribe();
      resolve(view);
    };
    const unsubscribe = tasks.onChange(look);
    look(tasks.list().find((view) => view.id === id));
  });
}

export async function linesOf(tasks: Tasks, id: string): Promise<readonly TaskLine[]> {
  const lines: TaskLine[] = [];
  for (let offset = 0; ; ) {
    const page = await tasks.output(id, offset);
    lines.push(...page.lines);
    if (page.nextOffset === offset) return lines;
    offset = page.nextOffset;
  }
}

export async function printed(tasks: Tasks, id: string, text: string): Promise<void> {
  while (!(await linesOf(tasks, id)).some(({ line }) => line === text)) await new Promise((resolve) => setTimeout(resolve, 20));
}
