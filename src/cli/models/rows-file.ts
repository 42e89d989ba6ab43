/** Reads rows from a file or stdin and determines their content type. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { CliContext } from '../cli-context.ts';
import { CliError } from '../cli-error.ts';

const typeOfExtension: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.jsonl': 'application/jsonlines',
  '.ndjson': 'application/jsonlines',
  '.txt': 'text/plain',
  '.csv': 'text/csv',
  '.npy': 'application/x-npy',
};

/** `-` is stdin, which is JSON unless `type` is given. */
export async function readRows(
  path: string,
  type: string | undefined,
  stdin: CliContext['stdin'],
): Promise<{ readonly body: Uint8Array; readonly contentType: string }> {
  const contentType = type ?? (path === '-' ? 'application/json' : typeOfExtension[extname(path).toLowerCase()]);
  if (contentType === undefined) {
    throw new CliError(
      `cannot tell the format of ${path}: expected .json, .jsonl, .txt, .csv or .npy. Set it with --type, such as --type text/csv`,
      2,
    );
  }
  if (path === '-') return { body: await readAll(stdin), contentType };
  try {
    return { body: await readFile(path), contentType };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new CliError(code === 'ENOENT' ? `there is no file ${path}` : `cannot read ${path}: ${message}`, 1, { cause });
  }
}

async function readAll(source: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
