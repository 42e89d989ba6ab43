/** Rows out of a file, and what kind of file it is. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Doors } from './doors.ts';
import { Failure } from './failure.ts';

const typeOfExtension: Readonly<Record<string, string>> = { '.json': 'application/json', '.csv': 'text/csv', '.npy': 'application/x-npy' };

/** `-` is stdin, and JSON unless `type` says otherwise. */
export async function readRows(
  path: string,
  type: string | undefined,
  stdin: Doors['stdin'],
): Promise<{ readonly body: Uint8Array; readonly contentType: string }> {
  const contentType = type ?? (path === '-' ? 'application/json' : typeOfExtension[extname(path).toLowerCase()]);
  if (contentType === undefined) {
    throw new Failure(`${path} is neither .json, .csv nor .npy: say what it is with --type, such as --type text/csv`, 2);
  }
  if (path === '-') return { body: await readAll(stdin), contentType };
  try {
    return { body: await readFile(path), contentType };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Failure(code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${message}`, 1, { cause });
  }
}

async function readAll(source: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
