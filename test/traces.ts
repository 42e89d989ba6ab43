/** Recorded loads. Those in test/traces may be redistributed; others are read from the directory in PENSTOCK_TRACES, if set. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';

const ours = fileURLToPath(new URL('./traces/', import.meta.url));

/** Requests per slot, from a file with one count per line below a header; or the reason why it is not available. */
export function traceCounts(file: string): readonly number[] | string {
  const directory = existsSync(join(ours, file)) ? ours : env['PENSTOCK_TRACES'];
  if (directory === undefined) return `${file} is not distributed with this repository. Set PENSTOCK_TRACES to its directory`;
  const path = join(directory, file);
  if (!existsSync(path)) return `${path} does not exist`;
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(1).map(Number);
}
