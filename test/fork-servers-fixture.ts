/** Fork servers with what they need, in folders of their own. The interpreter is a link in a folder that workers can read. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, SystemClock } from '../src/clock.ts';
import type { Log } from '../src/logs/index.ts';
import { CgroupRecord } from '../src/providers/cgroups/cgroup-record.ts';
import { Cgroups } from '../src/providers/cgroups/cgroups.ts';
import { Leftovers } from '../src/providers/disk/leftovers.ts';
import { Isolation } from '../src/providers/isolation/isolation.ts';
import { isolationDefaults } from '../src/providers/isolation/settings.ts';
import { silentLog } from '../src/providers/isolation/standalone.ts';
import { WorkerListener } from '../src/providers/processes/worker-listener.ts';
import type { ForkStart } from '../src/providers/python/fork-server.ts';
import { ForkServers } from '../src/providers/python/fork-servers.ts';
import type { PythonProgram } from '../src/providers/python/python-program.ts';
import { SystemRandom } from '../src/random.ts';

const found = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });

export interface ForkServersFixture {
  readonly forks: ForkServers;
  readonly python: PythonProgram;
  readonly workersDirectory: string;
  /** Why there is no Python; false if there is one. */
  readonly skip: string | false;
  /** Why workers are not forked; false if they are. */
  readonly skipForks: string | false;
  /** A worker that runs the code. */
  readonly runs: (code: string) => ForkStart;
  readonly close: () => Promise<void>;
}

export interface ForkServersOptions {
  /** That of the fork servers. */
  readonly clock?: Clock;
  /** Source of a module of the environment, `pack`. Without it the environment is the interpreter's own. */
  readonly pack?: string;
  readonly log?: Log;
}

export async function openForkServers({
  clock = new SystemClock(),
  pack,
  log = silentLog,
}: ForkServersOptions = {}): Promise<ForkServersFixture> {
  const interpreter = found.stdout?.trim() ?? '';
  const state = mkdtempSync('/tmp/penstock-test-');
  const visible = mkdtempSync('/tmp/penstock-test-');
  chmodSync(visible, 0o755);
  if (pack === undefined || interpreter === '') {
    mkdirSync(join(visible, 'bin'));
    symlinkSync(interpreter === '' ? '/missing' : interpreter, join(visible, 'bin/python3'));
  } else {
    execFileSync(interpreter, ['-m', 'venv', '--without-pip', visible]);
    const [version = ''] = readdirSync(join(visible, 'lib'));
    writeFileSync(join(visible, 'lib', version, 'site-packages/pack.py'), pack);
  }
  writeFileSync(join(visible, 'run.py'), "import sys\nexec(compile(sys.argv[1], 'program', 'exec'), {'__name__': '__main__'})\n");

  const leftovers = new Leftovers(state);
  const { workersDirectory } = leftovers;
  const real = new SystemClock();
  const listener = await WorkerListener.open(real, log);
  const socket = { folder: listener.folder, path: listener.path };
  const random = new SystemRandom();
  const isolation = await Isolation.open({
    settings: isolationDefaults,
    clock: real,
    log,
    random,
    stateDirectory: state,
    socket,
    workersDirectory,
  });
  const cgroups = new Cgroups({ log, name: `forks-${process.pid}`, notes: new CgroupRecord(state) });
  const forks = new ForkServers({ clock, log, listener, leftovers, cgroups, isolation, changeModel: undefined });

  const skip = interpreter === '' ? 'python3 is not installed' : false;
  return {
    forks,
    python: { kind: 'python', interpreter: join(visible, 'bin/python3'), threads: 1, device: null, hasNetwork: false, paths: [] },
    workersDirectory,
    skip,
    skipForks: skip === false && !isolation.canFork ? `no isolation of forks works here (${isolation.status.reason})` : skip,
    runs: (code) => ({ program: join(visible, 'run.py'), arguments: () => [code] }),
    close: async () => {
      await forks.close();
      listener.close();
      cgroups.close();
      for (const folder of [state, visible]) rmSync(folder, { recursive: true, force: true });
    },
  };
}
