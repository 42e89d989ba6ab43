/**
 * Python environments of other people's clients. Each is made once, from pinned requirements, in a folder that no commit
 * sees; a machine without Python or a package registry skips what needs it, and says why.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../node_modules/.cache');
const installMsMax = 300_000;

export interface PythonEnvironment {
  /** Its folder of programs. */
  readonly bin: string;
}

const made = new Map<string, Promise<PythonEnvironment | string>>();

/** The environment of `requirements-NAME.txt`, below the cache of that name, or why there is none. */
export function pythonEnvironment(cacheName: string, requirements: string): Promise<PythonEnvironment | string> {
  let environment = made.get(requirements);
  if (environment === undefined) {
    environment = make(join(cache, cacheName), requirements);
    made.set(requirements, environment);
  }
  return environment;
}

/**
 * Files of tests run at the same time and may both find nothing. Each makes an environment of its own, and one of them
 * becomes that of all by a link, which is made at a stroke.
 */
async function make(folder: string, requirements: string): Promise<PythonEnvironment | string> {
  const name = basename(requirements, '.txt').replace(/^requirements-/, '');
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const link = join(folder, `${name}-${digest}`);
  if (existsSync(link)) return { bin: join(link, 'bin') };
  mkdirSync(folder, { recursive: true });
  const own = mkdtempSync(`${link}-`);
  try {
    await run('python3', ['-m', 'venv', own]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements];
    await run(join(own, 'bin/python'), pip, { timeout: installMsMax });
    symlinkSync(own, link);
    return { bin: join(link, 'bin') };
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return { bin: join(link, 'bin') };
    return `${name} cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}
