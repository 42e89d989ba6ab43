/** What a test of an installation needs: versions of Node and npm, the packed packages, and a package registry on loopback that has them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../free-port.ts';

export const checkout = fileURLToPath(new URL('../..', import.meta.url));

/** Exact versions, so that a failure comes from a change of ours. */
const nodeVersions = { 20: '20.20.2', 22: '22.22.2' } as const;
const npmVersions = { 9: '9.2.0', 10: '10.9.9', 11: '11.21.2', 12: '12.2.2' } as const;
/** Fetched by npm when the test runs, not a dependency: `npm ci` would bring its 200 packages to everyone. */
const verdaccioVersion = '6.10.4';

export type NodeMajor = 20 | 22 | 24;
export type NpmMajor = keyof typeof npmVersions;

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of a user: none of npm's script variables, nothing of the checkout in the PATH. */
export function userEnv(home: string, path: string): Record<string, string> {
  const inherited: [string, string][] = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^(npm_|NODE_(?!EXTRA_CA_CERTS)|PENSTOCK_)/i.test(name) ? [] : [[name, value]],
  );
  return { ...Object.fromEntries(inherited), HOME: home, PATH: path, npm_config_update_notifier: 'false' };
}

export function run(cwd: string, env: Record<string, string>, command: string, ...args: string[]): Outcome {
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

export function succeed(cwd: string, env: Record<string, string>, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = run(cwd, env, command, ...args);
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** The registry that npm is configured with, asked outside of the checkout. */
export function configuredRegistry(): string {
  const { stdout } = spawnSync('npm', ['config', 'get', 'registry'], { cwd: '/', encoding: 'utf8' });
  return stdout.trim();
}

/** Versions of Node and npm, and verdaccio, in a folder. */
export class Tools {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns null if the package registry cannot be reached. */
  static install(folder: string): Tools | null {
    mkdirSync(folder);
    const dependencies = {
      ...Object.fromEntries(
        Object.entries(nodeVersions).map(([major, version]) => [`node${major}`, `npm:node-linux-${process.arch}@${version}`]),
      ),
      ...Object.fromEntries(Object.entries(npmVersions).map(([major, version]) => [`npm${major}`, `npm:npm@${version}`])),
      verdaccio: verdaccioVersion,
    };
    // Only verdaccio's audit depends on it, by a tag (`cjs`) that mirrors of the registry may lack.
    const overrides = { 'node-fetch': '2.7.0' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
    const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-bin-links'];
    const env = userEnv(process.env['HOME'] ?? '/', process.env['PATH'] ?? '');
    const { status, stderr } = run(folder, env, 'npm', 'install', ...flags);
    if (status !== 0 && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED/.test(stderr)) return null;
    assert.equal(status, 0, stderr);
    return new Tools(folder);
  }

  /** A folder for the PATH that has `node`, `npm` and `npx` of these versions. */
  path(node: NodeMajor, npm: NpmMajor): string {
    const folder = join(this.#folder, `node${node}-npm${npm}`);
    if (existsSync(folder)) return `${folder}:/usr/bin:/bin`;
    mkdirSync(folder);
    symlinkSync(node === 24 ? process.execPath : join(this.#folder, `node_modules/node${node}/bin/node`), join(folder, 'node'));
    for (const name of ['npm', 'npx']) symlinkSync(join(this.#folder, `node_modules/npm${npm}/bin/${name}-cli.js`), join(folder, name));
    return `${folder}:/usr/bin:/bin`;
  }

  get verdaccioMain(): string {
    return join(this.#folder, 'node_modules/verdaccio/bin/verdaccio');
  }
}

/** The tarballs that `npm run pack:all` wrote. */
export function packed(): { penstock: string; conformance: string; runtimes: readonly string[]; runtime: string } {
  const folder = join(checkout, 'packed');
  const names = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const runtimes = names.filter((name) => name.includes('penstock-runtime-'));
  const conformance = names.find((name) => name.includes('penstock-conformance-'));
  const penstock = names.find((name) => name !== conformance && !runtimes.includes(name));
  const runtime = runtimes.find((name) => name.includes(`${process.platform}-${process.arch}`));
  assert(
    penstock !== undefined && conformance !== undefined && runtime !== undefined,
    `${folder} lacks packages, found ${names.length}: run npm run pack:all`,
  );
  return { penstock, conformance, runtimes, runtime };
}

/** verdaccio on loopback. It has what is published to it, and everything but Penstock's names from the configured registry. */
export async function startRegistry(tools: Tools, folder: string): Promise<{ url: string; process: ChildProcess }> {
  const port = await freePort();
  mkdirSync(folder);
  const own = { access: '$all', publish: '$all' };
  // JSON is YAML.
  const config = {
    storage: join(folder, 'storage'),
    uplinks: { configured: { url: configuredRegistry(), timeout: '120s' } },
    packages: { '@penstock/*': own, penstock: own, '**': { access: '$all', proxy: 'configured' } },
    auth: { htpasswd: { file: join(folder, 'htpasswd') } },
    max_body_size: '500mb',
    log: { type: 'stdout', format: 'json', level: 'warn' },
  };
  writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
  const args = [tools.verdaccioMain, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
  const server = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}/`;
  while (server.exitCode === null) {
    const isUp = await fetch(`${url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return { url, process: server };
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`verdaccio exited with ${server.exitCode}`);
}
