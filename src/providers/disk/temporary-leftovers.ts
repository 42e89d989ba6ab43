/**
 * Cleans up the temporary folder and shared memory after killed servers of any data directory. A folder is a leftover if no server listens
 * on its socket. Unlike a check of pids, this also works between containers that share the folder.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';

/** Folders that all servers of a machine share. */
export interface TemporaryPlaces {
  /** Parent folders of the socket folders. */
  readonly parents: readonly string[];
  readonly sharedMemory: string;
}

const systemPlaces = (): TemporaryPlaces => ({ parents: [...new Set([tmpdir(), '/tmp'])], sharedMemory: '/dev/shm' });

/** A server listens within milliseconds after creating the folder, and unlinks shared memory right after opening it. */
const youngMs = 600_000;
/** Between `bind` and `listen`, the socket of a starting server refuses connections, too. On a busy machine, that takes a moment. */
const startingMs = 10_000;

/** Removes leftovers of this user. `prefix` is that of the socket folders. */
export async function clearTemporaryLeftovers(prefix: string, clock: Clock, log: Log, places = systemPlaces()): Promise<void> {
  for (const parent of places.parents) {
    for (const path of ownPathsIn(parent, (name) => name.startsWith(prefix))) {
      if (await isLeftover(path, clock)) remove(path, log);
    }
  }
  for (const path of ownPathsIn(places.sharedMemory, (name) => /^penstock-\d+-/.test(name))) {
    if (isOld(path, clock, youngMs)) remove(path, log);
  }
}

/** Paths that belong to this user. */
function ownPathsIn(parent: string, isOurs: (name: string) => boolean): string[] {
  try {
    const paths = readdirSync(parent)
      .filter(isOurs)
      .map((name) => join(parent, name));
    return paths.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.());
  } catch {
    return []; // the folder does not exist or is not readable
  }
}

/** The socket of an ended server refuses connections. */
function isLeftover(folder: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(folder, 'socket'));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const leastMs = error.code === 'ECONNREFUSED' ? startingMs : error.code === 'ENOENT' ? youngMs : Number.POSITIVE_INFINITY;
      resolve(isOld(folder, clock, leastMs));
    });
  });
}

function isOld(path: string, clock: Clock, leastMs: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && clock.wallMs() - stat.mtimeMs > leastMs;
}

function remove(path: string, log: Log): void {
  try {
    rmSync(path, { recursive: true, force: true });
    log.info({ path }, 'removed leftovers of a killed server');
  } catch (error) {
    log.warn({ path, error: messageOf(error) }, 'failed to remove leftovers of a killed server');
  }
}
