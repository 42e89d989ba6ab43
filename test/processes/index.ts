/** Process models for tests, and a way to count their processes. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type TarFile, tarOf } from '../../src/tar/index.ts';

/** The reason to skip tests with processes, or false. */
export const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';

/** The command of a small Python server. Its variable MODE selects a misbehaviour. */
export const scorerCommand: readonly string[] = ['python3', fileURLToPath(new URL('./scorer.py', import.meta.url))];

/** The `paths` of its image: isolated workers do not see the folder of the tests. */
export const scorerPaths: readonly string[] = [import.meta.dirname];

/** The model archive of that server: the factor by which it multiplies. */
export async function scorerBundle(factor = 2): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(oneFile('factor.txt', Buffer.from(String(factor))))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** An archive with a `serve.py` that executes the Python code it receives, like hostile code from a deployer. */
export async function intruderBundle(): Promise<Buffer> {
  const code = readFileSync(new URL('./intruder.py', import.meta.url));
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(oneFile('serve.py', code))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The command of that image. The code is part of the archive, not of the operator's configuration. */
export const intruderCommand: readonly string[] = ['python3', 'serve.py'];

async function* oneFile(path: string, bytes: Buffer): AsyncGenerator<TarFile> {
  yield { path, bytes: bytes.length, isExecutable: false, content: piecesOf(bytes) };
}

async function* piecesOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The pids of all processes with this environment variable, without zombies. */
export function processesWith(name: string, value: string): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`)
        ? [Number(pid)]
        : [];
    } catch {
      return []; // it ended, or belongs to another user
    }
  });
}
