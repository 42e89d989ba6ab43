/**
 * The Python of this machine, for tests that need any. It is found while a file is read, because a file that awaits something there needs a
 * process of its own (`run.ts`).
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Interpreter } from '../src/environments/interpreter.ts';

function found(): string {
  const source = pathToFileURL(join(import.meta.dirname, '../src/environments/interpreter.ts')).href;
  const program = `import { findInterpreter } from ${JSON.stringify(source)}; console.log(JSON.stringify(await findInterpreter()));`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
}

/** Null if there is no python3 of 3.9 or newer. `run.ts` finds it once for all files. */
export const python = JSON.parse(process.env['TEST_INTERPRETER'] ?? found()) as Interpreter | null;
