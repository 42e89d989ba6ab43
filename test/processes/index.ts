/** Processes to serve in tests, and how many of them there are. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type TarFile, tarOf } from '../../src/tar/index.ts';

/** Why tests with processes are skipped; false where they are not. */
export const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'there is no python3';

/** The command of a small server in Python; its variable MODE says how it misbehaves. */
export const scorerCommand: readonly string[] = ['python3', fileURLToPath(new URL('./scorer.py', import.meta.url))];

/** An archive of what that server wants: the factor by which it multiplies. */
export async function scorerBundle(factor = 2): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf(oneFile('factor.txt', Buffer.from(String(factor))))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* oneFile(path: string, bytes: Buffer): AsyncGenerator<TarFile> {
  yield { path, bytes: bytes.length, isExecutable: false, content: piecesOf(bytes) };
}

async function* piecesOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The pids of all processes whose environment has this variable, zombies not counted. */
export function processesWith(name: string, value: string): readonly number[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`)
        ? [Number(pid)]
        : [];
    } catch {
      return []; // it ended, or is somebody else's
    }
  });
}
