/**
 * Python environments of third-party clients. Each is created once from pinned requirements, in a folder ignored by git.
 * Without Python or a package registry, tests that need it are skipped with the reason.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
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

/**
 * Parallel test files may each find no environment and create one. An atomically created link selects the one that all use.
 */
async function make(folder: string, requirements: string, options: EnvironmentOptions): Promise<PythonEnvironment | string> {
  const name = basename(requirements, '.txt').replace(/^requirements-/, '');
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const link = join(folder, `${name}-${digest}`);
  if (existsSync(link)) return { bin: join(link, 'bin') };
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(`${link}-`);
  try {
    await createPythonEnvironment(own, requirements, options);
    symlinkSync(own, link);
    return { bin: join(link, 'bin') };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return { bin: join(link, 'bin') };
    return `${name} cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}
