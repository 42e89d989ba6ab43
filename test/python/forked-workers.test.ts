/** Python models in forked workers: they answer as in spawned ones, and the death of the fork server fails no request. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import type { Log } from '../../src/logs/index.ts';
import { isolationSettings, LocalProvider, type WorkerSpec, type WorkerView } from '../../src/providers/index.ts';
import type { WorkerExit } from '../../src/records/index.ts';
import { Load } from '../end-to-end/load.ts';
import { until } from '../end-to-end/poll.ts';
import { artifactAt, pathAsAddress } from '../model-artifacts.ts';

const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
} satisfies Log as Log;
const clock = new SystemClock();
const environment = { name: null, lock: null };
/** The length of a text, and what the model's own module says. `colorsys` is in the standard library, and imported ahead. */
const files = {
  'model.py': `import colorsys, os, random, time

def predict(text: str):
    while text == "hang": print("hangs"); time.sleep(600)
    if text == "fill":
        for i in range(70):
            with open("/tmp/%d" % i, "wb") as file: file.write(b"x" * 2 ** 20)
        os.makedirs("/tmp/locked/inner")
        os.chmod("/tmp/locked", 0)
        time.sleep(600)
    return [len(text), colorsys.whose, random.random()]
`,
  'colorsys.py': "whose = 'own'\n",
};

test('forked workers of Python models', async (t) => {
  const found = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });
  const interpreter = found.stdout?.trim() ?? '';
  if (interpreter === '') return t.skip('python3 is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'penstock-forked-'));
  const data = Object.entries(files).map(([name, text]) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return { name, path, bytes: statSync(path).size };
  });
  const python = { interpreterOf: async () => ({ interpreter, paths: [] }), hasNetwork: false, forks: true };
  const { promise: isHanging, resolve: hung } = Promise.withResolvers<void>();
  const onLine = (_: WorkerSpec, line: string): void => {
    if (line === 'hangs') hung();
  };
  const isolation = isolationSettings({ diskMiB: 64 });
  const provider = new LocalProvider({
    clock,
    log,
    stateDirectory: join(folder, 'state'),
    warmWorkers: 0,
    fetchFile: pathAsAddress,
    python,
    onLine,
    isolation,
  });
  const starts: string[] = [];
  provider.onPythonStart((how) => starts.push(how));
  try {
    await provider.open();
    const { mode } = provider.isolation ?? {};
    if (mode !== 'root' && mode !== 'user') return t.skip(`workers are not forked in the isolation mode ${mode}`);
    const request = { flavour: 'code', entry: 'model.py', sample: null } as const;
    const { form, signature } = await provider.borrow((link) => link.openPython(data, request), { python: { environment, threads: 1 } });
    const model = { environment, flavour: 'code', form, entry: 'model.py', modules: ['colorsys'], signature } as const;
    const start = (id: string): Promise<void> =>
      started(provider, id, { artifact: artifactAt(join(folder, 'model.py'), data), python: model });
    const ask = async (id: string, text: string): Promise<unknown> => {
      const body = Buffer.from(JSON.stringify(text));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(body.length);
      const link = provider.link(id);
      assert(link !== null, `${id} has no worker`);
      const { outputs } = await link.run([{ name: 'request', datatype: 'BYTES', shape: [1], parts: [length, body] }]);
      return JSON.parse(
        Buffer.from(outputs[0]?.data ?? [])
          .subarray(4)
          .toString(),
      );
    };

    await Promise.all(['one', 'two'].map(start));
    assert.deepEqual(starts, ['fork', 'fork']);
    const answers = await Promise.all(['one', 'two'].map((id) => ask(id, 'x'.repeat(200_000)))); // in shared memory
    for (const answer of answers) assert.deepEqual((answer as unknown[]).slice(0, 2), [200_000, 'own']);
    const [one, two] = answers as number[][];
    assert.notEqual(one?.[2], two?.[2], 'each has its own random numbers');

    const ends: (WorkerExit | null)[] = [];
    provider.onEnded((id, end) => id === 'one' && ends.push(end));
    await hangs(provider, 'one', ask, isHanging);
    assert.match(ends[0]?.reason ?? '', /^a run did not end in time: it was in predict \(model\.py, line 4\)$/);
    assert.match(ends[0]?.lastLines ?? '', /^Current thread .*\n {2}File ".*model\.py", line 4 in predict$/);

    await assert.rejects(ask('one', 'fill'), /the worker is gone/);
    await until('its end is reported', async () => ends.length === 2);
    assert.match(ends[1]?.reason ?? '', /its files took more than 64 MiB of the disk/);
    assert.deepEqual(((await ask('two', 'text')) as unknown[]).slice(0, 2), [4, 'own']);
    await until('one is ready again', async () => provider.link('one') !== null);

    const load = Load.start(4, async (count) => void (await ask(count % 2 === 0 ? 'one' : 'two', 'text')));
    for (let kills = 0; kills < 5; kills++) {
      const pid = provider.forkServers()[0]?.pid ?? null;
      if (pid !== null) process.kill(pid, 'SIGKILL');
      await start(`new-${kills}`); // forked by the next one, or spawned while that one rests
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert(load.answered > 0);
    assert.deepEqual(
      provider.list().map(({ restarts }) => restarts),
      [2, 0, 0, 0, 0, 0, 0],
    );
  } finally {
    await provider.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Ends the worker while it runs a request that hangs, and waits for its successor. */
async function hangs(
  provider: LocalProvider,
  id: string,
  ask: (id: string, text: string) => Promise<unknown>,
  isHanging: Promise<void>,
): Promise<void> {
  const lost = assert.rejects(ask(id, 'hang'), /the worker is gone/);
  const isReady = new Promise<void>((resolve) => {
    const stopListening = provider.onChange(({ spec, state }) => {
      if (spec.id !== id || state !== 'ready') return;
      stopListening();
      resolve();
    });
  });
  await isHanging;
  provider.restart(id, 'a run did not end in time');
  await Promise.all([lost, isReady]);
}

async function started(provider: LocalProvider, id: string, model: Pick<WorkerSpec, 'artifact' | 'python'>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<WorkerView>();
  const stopListening = provider.onChange((view) => {
    if (view.spec.id === id && view.state !== 'starting') resolve(view);
  });
  const size = { threads: 1, memoryMiB: 0, instanceType: 'local.1', kind: 'instance', vcpuMax: null } as const;
  await provider.start({ id, endpoint: 'e', variant: 'v', generation: 1, modelName: 'm/1', ...size, ...model });
  const { state, reason } = await promise;
  stopListening();
  assert.equal(state, 'ready', reason ?? '');
}
