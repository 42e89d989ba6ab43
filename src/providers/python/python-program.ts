/** How a Python worker is started: its command, its variables, and the files of the host that it reads. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pythonWorkerPath } from '../../runtime/index.ts';

/** The program of a worker that runs a Python model. */
export interface PythonProgram {
  readonly kind: 'python';
  /** Absolute path. */
  readonly interpreter: string;
  /** Folders that it needs, in addition to those that its configuration names. */
  readonly paths: readonly string[];
  /** Threads of the numeric libraries within one run. */
  readonly threads: number;
  /** Index of the accelerator device that it may use; null: none is visible to it. */
  readonly device: number | null;
  /** False: it reaches no network, if the isolation mode can hold that. */
  readonly hasNetwork: boolean;
}

/** `-I` ignores variables and the folder of the user, so only the environment of the interpreter is imported. */
export function pythonCommand({ interpreter }: PythonProgram, socketPath: string, workerId: string): readonly string[] {
  return [interpreter, '-I', '-u', '-X', 'faulthandler', pythonWorkerPath, socketPath, workerId, 'python'];
}

/** Without these limits each library would start a thread per core of the machine. At most one accelerator is visible. */
export function pythonVariables({ threads, device }: PythonProgram): Readonly<Record<string, string>> {
  const count = String(Math.max(1, threads));
  return {
    OMP_NUM_THREADS: count,
    OPENBLAS_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    NUMEXPR_NUM_THREADS: count,
    MALLOC_ARENA_MAX: '2',
    CUDA_VISIBLE_DEVICES: device === null ? '' : String(device),
  };
}

/**
 * The package of the worker, the interpreter's virtual environment, and the installation that it was made from. Folders of the system are
 * visible to every worker, so they are left out.
 */
export function pythonPaths({ interpreter, paths: others }: Pick<PythonProgram, 'interpreter' | 'paths'>): readonly string[] {
  const paths = new Set([pythonWorkerPath, ...others]);
  const root = dirname(dirname(interpreter));
  const home = homeOf(root);
  if (home !== null) {
    paths.add(root);
    paths.add(dirname(home));
  } else paths.add(root);
  paths.add(dirname(dirname(realPath(interpreter))));
  return [...paths].filter((path) => path !== '/' && !/^\/(?:usr|bin|lib|sbin)(?:\/local)?$/.test(path));
}

/** Files through which NVIDIA's libraries use a device. */
export function deviceFiles(device: number): readonly string[] {
  return [`nvidia${device}`, 'nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset']
    .map((name) => `/dev/${name}`)
    .filter((path) => existsSync(path));
}

/** The folder of the interpreter from which a virtual environment was made; null if it is none. */
function homeOf(root: string): string | null {
  try {
    const text = readFileSync(join(root, 'pyvenv.cfg'), 'utf8');
    return /^home\s*=\s*(\/.+?)\s*$/m.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
