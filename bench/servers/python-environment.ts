/** Virtual environments of Python for what is compared with, made on first use in `.cache/`. */
import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface PythonEnvironment {
  readonly directory: string;
  /** Null once it can be used, else why it cannot. */
  readonly missing: string | null;
}

/** With the packages of a requirements.txt; `name` is that of the environment. */
export async function pythonEnvironment(name: string, requirements: URL): Promise<PythonEnvironment> {
  const directory = fileURLToPath(new URL(`../.cache/${name}`, import.meta.url));
  const marker = `${directory}/complete`;
  if (existsSync(marker)) return { directory, missing: null };
  try {
    await promisify(execFile)('python3', ['-m', 'venv', directory]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', fileURLToPath(requirements)];
    await promisify(execFile)(`${directory}/bin/python`, pip);
    await promisify(execFile)('touch', [marker]);
    return { directory, missing: null };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    const why = String(error).split('\n').slice(0, 3).join(' ');
    return { directory, missing: `python3 with venv and the packages of requirements.txt are needed: ${why}` };
  }
}
