/** Builds the console if its sources changed since the last build. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const checkout = join(import.meta.dirname, '../..');
const root = join(checkout, 'console');

/** Its files. */
export const consoleDist: string = join(root, 'dist');

/** An unnecessary build would remove files that a parallel test is about to load. */
export function buildConsole(): void {
  const built = join(consoleDist, 'index.html');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => !/^(dist|node_modules)\b/.test(path));
  const changedMs = Math.max(...sources.map((path) => statSync(join(root, path)).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs >= changedMs) return;
  const vite = join(checkout, 'node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', root, '--logLevel', 'error'], { stdio: 'inherit' });
}
