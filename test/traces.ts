/** Recorded loads. Those in test/traces are ours to pass on; others are read from the directory that PENSTOCK_TRACES names, if it does. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { fileURLToPath } from 'node:url';

const ours = fileURLToPath(new URL('./traces/', import.meta.url));

/** Requests in each slot, of a file with one count a line below a header; or the reason why it cannot be had. */
export function traceCounts(file: string): readonly number[] | string {
  const directory = existsSync(join(ours, file)) ? ours : env['PENSTOCK_TRACES'];
  if (directory === undefined) return `${file} may not be passed on with this repository: name its directory in PENSTOCK_TRACES`;
  const path = join(directory, file);
  if (!existsSync(path)) return `${path} is not there`;
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(1).map(Number);
}
