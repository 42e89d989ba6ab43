/**
 * Python environments of third-party clients. Each is created once from pinned requirements, in a folder ignored by git.
 * Without Python or a package registry, tests that need it are skipped with the reason.
 */
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createPythonEnvironment, type EnvironmentOptions } from '../python-packages.ts';

const cache = join(import.meta.dirname, '../../node_modules/.cache');

export interface PythonEnvironment {
  /** Folder of the environment's programs. */
  readonly bin: string;
}

const made = new Map<string, Promise<PythonEnvironment | string>>();

/** The environment of `requirements-NAME.txt` in the cache `cacheName`, or the reason for skipping. */
export function pythonEnvironment(
  cacheName: string,
  requirements: string,
  options: EnvironmentOptions = {},
): Promise<PythonEnvironment | string> {
  let environment = made.get(requirements);
  if (environment === undefined) {
    environment = make(join(cache, cacheName), requirements, options);
    made.set(requirements, environment);
  }
  return environment;
}

/** One process creates it, which appears at once and complete, under a name of its requirements; others wait. */
async function make(folder: string, requirements: string, options: EnvironmentOptions): Promise<PythonEnvironment | string> {
  const name = basename(requirements, '.txt').replace(/^requirements-/, '');
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const link = join(folder, `${name}-${digest}`);
  if (existsSync(link)) return { bin: join(link, 'bin') };
  mkdirSync(folder, { recursive: true });
  const unlock = await lockedBy(`${link}.lock`);
  try {
    return existsSync(link) ? { bin: join(link, 'bin') } : await created(link, requirements, options);
  } finally {
    unlock();
  }
}

async function created(link: string, requirements: string, options: EnvironmentOptions): Promise<PythonEnvironment | string> {
  const own = mkdtempSync(`${link}-`);
  try {
    await createPythonEnvironment(own, requirements, options);
    symlinkSync(own, link);
    return { bin: join(link, 'bin') };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return { bin: join(link, 'bin') };
    return `${basename(requirements)} cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}

const waitMs = 200;

/** Waits until no process that runs has the lock, and takes it. Returns what releases it. */
async function lockedBy(path: string): Promise<() => void> {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    while (!isTaken(own, path)) {
      const holder = readIfPresent(path);
      if (holder !== '' && !isRunning(Number(holder))) rmSync(path, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return () => rmSync(path, { force: true });
  } finally {
    rmSync(own);
  }
}

/** A link appears with its content, and only if there is none. */
function isTaken(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // released meanwhile
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}
