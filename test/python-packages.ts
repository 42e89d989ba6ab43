/** Creates Python environments: with uv, which takes a tenth of the time, else with venv and pip. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../node_modules/.cache');
const uv = join(cache, 'uv/bin/uv');
const installMsMax = 300_000;

export interface EnvironmentOptions {
  /** The file names every package that is needed: dependencies are not installed. */
  readonly isComplete?: boolean;
}

/** Creates an environment in an existing folder that is empty. Rejects if Python or a package registry is missing. */
export async function createPythonEnvironment(
  folder: string,
  requirements: string,
  { isComplete = false }: EnvironmentOptions = {},
): Promise<void> {
  const wanted = [...(isComplete ? ['--no-deps'] : []), '--requirement', requirements];
  const python = join(folder, 'bin/python');
  if (await hasUv()) {
    try {
      const env = { ...process.env, UV_CACHE_DIR: join(cache, 'uv-packages'), VIRTUAL_ENV: folder };
      // Workers cannot write to it and would compile what they import at each start: seconds for scikit-learn.
      await run(uv, ['venv', '--quiet', '--allow-existing', '--python', 'python3', folder], { env, timeout: installMsMax });
      await run(uv, ['pip', 'install', '--quiet', '--compile-bytecode', '--python', python, ...wanted], { env, timeout: installMsMax });
      return;
    } catch {
      // pip may know a registry or a proxy that uv does not.
    }
  }
  await run('python3', ['-m', 'venv', '--clear', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...wanted];
  await run(python, pip, { timeout: installMsMax });
}

/** The path of uv; null if it cannot be installed. */
export async function installedUv(): Promise<string | null> {
  return (await hasUv()) ? uv : null;
}

let ready: Promise<boolean> | null = null;

/** Test files run in parallel and may each install it; the first one is used. */
function hasUv(): Promise<boolean> {
  ready ??= existsSync(uv) ? Promise.resolve(true) : installUv();
  return ready;
}

async function installUv(): Promise<boolean> {
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(join(cache, 'uv-'));
  try {
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', own, 'uv==0.13.9'], {
      timeout: installMsMax,
    });
    renameSync(own, join(cache, 'uv'));
    return true;
  } catch {
    rmSync(own, { recursive: true, force: true });
    return existsSync(uv);
  }
}
