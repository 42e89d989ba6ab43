/** Tests whether Python workers can be forked on this machine, without a server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { SystemRandom } from '../../random.ts';
import { CgroupRecord } from '../cgroups/cgroup-record.ts';
import { Cgroups } from '../cgroups/cgroups.ts';
import { Leftovers } from '../disk/leftovers.ts';
import { Isolation } from '../isolation/isolation.ts';
import type { IsolationSettings } from '../isolation/settings.ts';
import { silentLog } from '../isolation/standalone.ts';
import { WorkerListener } from '../processes/worker-listener.ts';
import { ForkServer } from './fork-server.ts';

/**
 * Forks a worker with real processes in a temporary folder. Returns null if that works, otherwise the reason why workers are spawned.
 * Never throws. `interpreter` is an absolute path.
 */
export async function findForks(settings: IsolationSettings, interpreter: string, clock: Clock): Promise<string | null> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'penstock-forks-'));
  let listener: WorkerListener | null = null;
  try {
    listener = await WorkerListener.open(clock, silentLog);
    const leftovers = new Leftovers(stateDirectory);
    const { folder, path } = listener;
    const isolation = await Isolation.open({
      settings,
      clock,
      log: silentLog,
      random: new SystemRandom(),
      stateDirectory,
      socket: { folder, path },
      workersDirectory: leftovers.workersDirectory,
    });
    if (!isolation.canFork) return `the isolation mode ${isolation.status.mode} has no namespaces`;
    const cgroups = new Cgroups({ log: silentLog, name: `check-${process.pid}`, notes: new CgroupRecord(stateDirectory) });
    const deps = { clock, log: silentLog, listener, leftovers, cgroups, isolation, changeModel: undefined };
    try {
      const server = await ForkServer.start(
        deps,
        { kind: 'python', interpreter, paths: [], threads: 1, device: null, hasNetwork: false },
        () => undefined,
      );
      try {
        await server.prepare([]);
        return null;
      } finally {
        server.kill();
        await server.ended;
      }
    } finally {
      cgroups.close();
    }
  } catch (error) {
    return messageOf(error);
  } finally {
    listener?.close();
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}
