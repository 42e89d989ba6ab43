/** Libraries that must not be forked: the fork server is given up with the reason, and the worker is spawned instead. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { LocalProvider } from '../../src/providers/index.ts';
import { silentLog } from '../../src/providers/isolation/standalone.ts';
import { until } from '../end-to-end/poll.ts';
import { artifactAt, pathAsAddress } from '../model-artifacts.ts';

const hasPython = spawnSync('python3', ['-c', 'import venv']).status === 0;
const environment = { name: null, lock: null };
const signature = {
  inputs: [{ name: 'request', datatype: 'BYTES', shape: [-1], content: 'json' }],
  outputs: [{ name: 'response', datatype: 'BYTES', shape: [-1], content: 'json' }],
} as const;

/** Packages of the environment by what is wrong with them, and the note of the fork server. */
const cases = {
  'has initialised CUDA': {
    module: 'torch',
    source: 'class cuda:\n    is_initialized = staticmethod(lambda: True)\n',
    note: /^a library initialised CUDA while it was imported, and CUDA cannot be used after a fork$/,
  },
  'shares memory with its forks': {
    module: 'shares',
    source: 'import mmap\nMEMORY = mmap.mmap(-1, 4096)\n',
    note: /^a library shares memory with its forks \(.+\), through which workers could reach each other$/,
  },
  'does not survive a fork': {
    module: 'breaks',
    source: 'import os\nos.register_at_fork(after_in_child=lambda: os._exit(9))\n',
    note: /^the isolation of a worker failed: its process ended$/,
  },
} as const;

describe('a fork server whose library', { skip: !hasPython && 'python3 with venv is not installed' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-given-up-'));
  const modelPath = join(folder, 'model.py');

  before(() => {
    chmodSync(folder, 0o755); // workers have users of their own
    writeFileSync(modelPath, 'def predict(text: str):\n    return len(text)\n');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [what, { module, source, note }] of Object.entries(cases)) {
    test(`${what} is given up, and the model is served by a spawned worker`, async (t) => {
      const root = join(folder, module);
      execFileSync('python3', ['-m', 'venv', '--without-pip', root]);
      const [version = ''] = readdirSync(join(root, 'lib'));
      const packages = join(root, 'lib', version, 'site-packages');
      mkdirSync(packages, { recursive: true });
      writeFileSync(join(packages, `${module}.py`), source);
      const interpreter = join(root, 'bin/python');
      const provider = new LocalProvider({
        clock: new SystemClock(),
        log: silentLog,
        stateDirectory: join(folder, `${module}-state`),
        warmWorkers: 0,
        fetchFile: pathAsAddress,
        python: { interpreterOf: async () => ({ interpreter, paths: [] }), hasNetwork: false, forks: true },
      });
      const starts: string[] = [];
      provider.onPythonStart((how) => starts.push(how));
      try {
        await provider.open();
        const { mode } = provider.isolation ?? {};
        if (mode !== 'root' && mode !== 'user') return t.skip(`workers are not forked in the isolation mode ${mode}`);
        await provider.start({
          id: 'one',
          endpoint: 'one',
          variant: 'AllTraffic',
          generation: 1,
          artifact: artifactAt(modelPath, [{ name: 'model.py', path: modelPath, bytes: statSync(modelPath).size }]),
          modelName: 'one/1',
          threads: 1,
          memoryMiB: 1024,
          instanceType: 'local.1',
          kind: 'instance',
          vcpuMax: null,
          python: { environment, flavour: 'code', form: 'json', entry: 'model.py', modules: [module], signature },
        });
        await until('the worker is ready', async () => provider.link('one') !== null);
        const [server] = provider.forkServers();
        assert.deepEqual([starts, server?.state, server?.pid], [['spawn'], 'resting', null]);
        assert.match(server?.note ?? '', note);
      } finally {
        await provider.close();
      }
    });
  }
});
