/**
 * A Python environment with MLflow, and a model that it saved. Both are made once, from pinned requirements, in a folder
 * that no commit sees; a machine without Python or a package registry skips what needs them, and says why.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../../node_modules/.cache/penstock-mlflow');
const installMsMax = 120_000;
const trainMsMax = 40_000;

/** It reports to its makers unless told not to. */
export const quiet = { MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };

export interface Mlflow {
  /** Its folder of programs. */
  readonly bin: string;
  /** The folder of a classifier of irises. */
  readonly model: string;
}

/** The environment, or why there is none. Several at once may make one each; one of them becomes that of all, by a link. */
export async function mlflow(): Promise<Mlflow | string> {
  const files = ['requirements.txt', 'train.py'].map((name) => readFileSync(join(import.meta.dirname, name)));
  const digest = createHash('sha256').update(Buffer.concat(files)).digest('hex').slice(0, 12);
  const link = join(cache, digest);
  const made = { bin: join(link, 'bin'), model: join(link, 'iris') };
  if (existsSync(link)) return made;
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(`${link}-`);
  try {
    await run('python3', ['-m', 'venv', own]);
    const requirements = join(import.meta.dirname, 'requirements.txt');
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements];
    await run(join(own, 'bin/python'), pip, { timeout: installMsMax });
    const train = [join(import.meta.dirname, 'train.py'), join(own, 'iris')];
    await run(join(own, 'bin/python'), train, { env: { ...process.env, ...quiet }, timeout: trainMsMax });
    symlinkSync(own, link);
    return made;
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return made;
    return `MLflow cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}
