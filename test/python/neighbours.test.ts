/** Two Python models of one environment, of different owners: neither reads the other's files or memory, nor sees or signals it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import type { Log } from '../../src/logs/index.ts';
import { LocalProvider, type WorkerView } from '../../src/providers/index.ts';
import { artifactAt, pathAsAddress } from '../model-artifacts.ts';

const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => log,
} satisfies Log as Log;
const environment = { name: null, lock: null };

const victim = `
import ctypes, os, socket, tempfile

def load(folder):
    (folder / "secret.txt").read_text()
    for path in ("/dev/shm/secret", os.path.join(os.environ["HOME"], "secret"), os.path.join(tempfile.gettempdir(), "secret")):
        with open(path, "w") as file:
            file.write("secret")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\\0penstock-victim")
    listener.listen()
    assert ctypes.CDLL(None).shmget(4712, 4096, 0o1666) != -1
    return listener

def predict(model, text: str):
    return os.getpid()
`;

/** Returns what it could do. */
const attacker = `
import ctypes, os, signal, socket

def predict(text: str):
    done = []
    def attempt(name, act):
        try:
            result = act()
        except (OSError, ValueError):
            return
        if result not in (None, False, [], -1):
            done.append(name)
    def found(root):
        return [os.path.join(base, name) for base, _, names in os.walk(root) for name in names if name in ("secret", "secret.txt")]
    others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid(), os.getppid())]
    for root in ("/dev/shm", "/tmp", "/penstock", "/opt/ml", "/proc/1/root/tmp", "/proc/1/cwd", os.environ["HOME"], text):
        attempt("reads a file of the other model below " + root, lambda: found(root))
    attempt("reads the state of the server", lambda: os.listdir(text))
    attempt("sees other processes", lambda: [pid for pid in others if "predict" not in open("/proc/%d/comm" % pid).read()])
    for pid in others:
        attempt("traces a process", lambda: open("/proc/%d/mem" % pid, "rb"))
        attempt("reads an environment", lambda: open("/proc/%d/environ" % pid, "rb").read())
    attempt("connects to the other model", lambda: [socket.socket(socket.AF_UNIX).connect("\\0penstock-victim"), True])
    attempt("attaches to its memory", lambda: ctypes.CDLL(None).shmget(4712, 4096, 0o666))
    # All that it may signal, except itself; and process 1 of its namespace, which ignores it.
    attempt("signals other processes", lambda: [os.kill(-1, signal.SIGUSR1), True] if others else None)
    return done
`;

for (const forks of [false, true]) {
  test(`models of one environment in ${forks ? 'forked' : 'spawned'} workers are out of each other's reach`, async (t) => {
    const found = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });
    const interpreter = found.stdout?.trim() ?? '';
    if (interpreter === '') return t.skip('python3 is not installed');
    const folder = mkdtempSync(join(tmpdir(), 'penstock-neighbours-'));
    const python = { interpreterOf: async () => ({ interpreter, paths: [] }), hasNetwork: false, forks };
    const provider = new LocalProvider({
      clock: new SystemClock(),
      log,
      stateDirectory: join(folder, 'state'),
      warmWorkers: 0,
      fetchFile: pathAsAddress,
      python,
    });
    const starts: string[] = [];
    provider.onPythonStart((how) => starts.push(how));
    try {
      await provider.open();
      const { mode } = provider.isolation ?? {};
      if (mode !== 'root' && mode !== 'user') return t.skip(`no namespaces in the isolation mode ${mode}`);
      await started(provider, folder, 'victim', { 'model.py': victim, 'secret.txt': 'secret' });
      await started(provider, folder, 'attacker', { 'model.py': attacker });
      assert.deepEqual(starts, forks ? ['fork', 'fork'] : ['spawn', 'spawn']);
      assert.deepEqual(await ask(provider, 'attacker', join(folder, 'state')), [], 'what it could do');
      assert.equal(typeof (await ask(provider, 'victim', '')), 'number');
      assert.deepEqual(
        provider.list().map(({ restarts, state }) => [restarts, state]),
        [
          [0, 'ready'],
          [0, 'ready'],
        ],
      );
    } finally {
      await provider.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function started(provider: LocalProvider, folder: string, id: string, files: Readonly<Record<string, string>>): Promise<void> {
  mkdirSync(join(folder, id));
  const modelData = Object.entries(files).map(([name, text]) => {
    const path = join(folder, id, name);
    writeFileSync(path, text);
    return { name, path, bytes: statSync(path).size };
  });
  const request = { flavour: 'code', entry: 'model.py', sample: null } as const;
  const open = { python: { environment, threads: 1 } };
  const { form, signature } = await provider.borrow((link) => link.openPython(modelData, request), open);
  const model = { environment, flavour: 'code', form, entry: 'model.py', modules: ['ctypes', 'socket'], signature } as const;
  const { promise, resolve } = Promise.withResolvers<WorkerView>();
  const stopListening = provider.onChange((view) => {
    if (view.spec.id === id && view.state !== 'starting') resolve(view);
  });
  const size = { threads: 1, memoryMiB: 0, instanceType: 'local.1', kind: 'instance', vcpuMax: null } as const;
  const spec = { id, endpoint: id, variant: 'v', generation: 1, modelName: `${id}/1`, ...size };
  await provider.start({ ...spec, artifact: artifactAt(join(folder, id, 'model.py'), modelData), python: model });
  const { state, reason } = await promise;
  stopListening();
  assert.equal(state, 'ready', reason ?? '');
}

async function ask(provider: LocalProvider, id: string, text: string): Promise<unknown> {
  const body = Buffer.from(JSON.stringify(text));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  const { outputs } = (await provider.link(id)?.run([{ name: 'request', datatype: 'BYTES', shape: [1], parts: [length, body] }])) ?? {};
  return JSON.parse(
    Buffer.from(outputs?.[0]?.data ?? [])
      .subarray(4)
      .toString(),
  );
}
