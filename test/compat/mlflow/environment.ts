/**
 * A Python environment with MLflow and a saved model. Both are created once from pinned requirements, in a folder ignored by
 * git. Without Python or a package registry, tests that need them are skipped with the reason.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { createPythonEnvironment } from '../../python-packages.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../../node_modules/.cache/penstock-mlflow');
const trainMsMax = 40_000;

/** Disables MLflow's telemetry. */
export const quiet = { MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };

export interface Mlflow {
  /** Folder of the environment's programs. */
  readonly bin: string;
  /** Folder of a saved iris classifier. */
  readonly model: string;
  /** Paths that isolated processes must read: the environment and its base Python. */
  readonly paths: readonly string[];
}

/** The environment, or the reason for skipping. Parallel test files may each create one; a link selects the one that all use. */
export async function mlflow(): Promise<Mlflow | string> {
  const files = ['requirements.txt', 'train.py'].map((name) => readFileSync(join(import.meta.dirname, name)));
  const digest = createHash('sha256').update(Buffer.concat(files)).digest('hex').slice(0, 12);
  const link = join(cache, digest);
  if (existsSync(link)) return found(link);
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(`${link}-`);
  try {
    await createPythonEnvironment(own, join(import.meta.dirname, 'requirements.txt'));
    const train = [join(import.meta.dirname, 'train.py'), join(own, 'iris')];
    await run(join(own, 'bin/python'), train, { env: { ...process.env, ...quiet }, timeout: trainMsMax });
    // mkdtemp creates folders that only the owner can read.
    chmodSync(own, 0o755);
    symlinkSync(own, link);
    return found(link);
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (existsSync(link)) return found(link);
    return `MLflow cannot be installed here: ${String(error).split('\n').slice(0, 3).join(' ')}`;
  }
}

function found(link: string): Mlflow {
  const environment = realpathSync(link);
  const base = dirname(dirname(realpathSync(join(environment, 'bin/python'))));
  return { bin: join(environment, 'bin'), model: join(environment, 'iris'), paths: base === '/usr' ? [environment] : [environment, base] };
}
