/** Detects the isolation available on this machine without a server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { SystemRandom } from '../../random.ts';
import { Isolation, type IsolationStatus } from './isolation.ts';
import type { IsolationSettings } from './settings.ts';

/** Runs real processes in a temporary folder. Throws if that folder cannot be created. */
export async function findIsolation(settings: IsolationSettings, clock: Clock): Promise<IsolationStatus> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'penstock-isolation-'));
  try {
    const folder = mkdtempSync(join(stateDirectory, 'socket-'));
    const socket = { folder, path: join(folder, 'socket') };
    writeFileSync(socket.path, '');
    const log: Log = silentLog;
    const workersDirectory = join(stateDirectory, 'processes');
    const isolation = await Isolation.open({ settings, clock, log, random: new SystemRandom(), stateDirectory, socket, workersDirectory });
    return isolation.status;
  } finally {
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

/** For commands that find out what works, and print the result themselves. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
