/** Python virtual environments of the compared servers and scripts, created on first use in `.cache/`. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createPythonEnvironment } from '../../test/python-packages.ts';

export interface PythonEnvironment {
  readonly directory: string;
  /** Null if it can be used, otherwise the reason why it cannot. */
  readonly missing: string | null;
}

/** Creates the environment `name` with the packages of all these requirements.txt. */
export async function pythonEnvironment(name: string, ...requirements: readonly URL[]): Promise<PythonEnvironment> {
  const directory = fileURLToPath(new URL(`../.cache/${name}`, import.meta.url));
  const marker = `${directory}/complete`;
  if (existsSync(marker)) return { directory, missing: null };
  try {
    mkdirSync(directory, { recursive: true });
    const all = `${directory}.txt`;
    writeFileSync(all, requirements.map((file) => `-r ${fileURLToPath(file)}\n`).join(''));
    await createPythonEnvironment(directory, all);
    writeFileSync(marker, '');
    return { directory, missing: null };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    const why = String(error).split('\n').slice(0, 3).join(' ');
    return { directory, missing: `requires python3 with venv and the packages of requirements.txt: ${why}` };
  }
}
