/** Bundles the server if its sources changed since the last time. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const checkout = join(import.meta.dirname, '../..');
const home = join(checkout, 'node_modules/.cache/bundled');

/** The command of a server: of the bundle in a run that made one, otherwise of the sources. */
export const penstock: string = process.env['TEST_PENSTOCK'] ?? join(checkout, 'bin/penstock');

/** Returns the path of its command: laid out as an installed package, `bin/penstock` starts `dist/main.js`. */
export function bundleServer(): string {
  const command = join(home, 'bin/penstock');
  const built = join(home, 'dist/main.js');
  const sources = globSync(['src/**/*.{ts,proto}', 'packages/*/src/**/*.ts', 'test/bundle/*.ts', 'package-lock.json', 'bin/penstock'], {
    cwd: checkout,
    exclude: (path) => path.endsWith('.test.ts'),
  });
  const changedMs = Math.max(...sources.map((path) => statSync(join(checkout, path)).mtimeMs));
  if (existsSync(command) && existsSync(built) && statSync(built).mtimeMs >= changedMs) return command;
  const vite = join(checkout, 'node_modules/vite/bin/vite.js');
  const config = join(import.meta.dirname, 'vite.config.ts');
  execFileSync(process.execPath, [vite, 'build', '--config', config, '--outDir', join(home, 'dist'), '--logLevel', 'error'], {
    stdio: 'inherit',
  });
  mkdirSync(join(home, 'bin'), { recursive: true });
  copyFileSync(join(checkout, 'bin/penstock'), command);
  // Otherwise Node parses each file to find out that it is a module.
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
  return command;
}
