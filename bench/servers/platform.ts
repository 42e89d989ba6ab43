/** Penstock with default settings in a temporary data directory. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ServerProcess } from './server-process.ts';

const penstock = fileURLToPath(new URL('../../bin/penstock', import.meta.url));

export interface Deployment {
  readonly modelPath: string;
  readonly name: string;
  readonly objective: string;
  /** Additional options of `penstock deploy`. */
  readonly flags?: readonly string[];
}

export class Platform {
  readonly #directory = mkdtempSync(join(tmpdir(), 'penstock-bench-'));
  readonly #env: Readonly<Record<string, string>>;
  #server: ServerProcess | null = null;

  /** `env`: settings of the server as PENSTOCK_* variables; `config`: the content of config.json. */
  constructor(env: Readonly<Record<string, string>> = {}, config: unknown = {}) {
    this.#env = env;
    writeFileSync(join(this.#directory, 'config.json'), JSON.stringify(config));
  }

  get server(): ServerProcess {
    if (this.#server === null) throw new Error('the platform is not running');
    return this.#server;
  }

  get logsDirectory(): string {
    return join(this.#directory, 'logs');
  }

  /** Starts the server. Returns the milliseconds until its ready line. */
  async start(): Promise<number> {
    this.#server = await ServerProcess.start({
      command: penstock,
      env: this.#env,
      args: ['up', '--port', '0', '--data-dir', this.#directory],
      readyOn: 'stdout',
      ready: /^penstock ready (\S+)$/,
    });
    return this.#server.readyMs;
  }

  /** Registers, approves and deploys; resolves once it is in service and its profile is measured. */
  async deploy({ modelPath, name, objective, flags = [] }: Deployment): Promise<void> {
    await this.run('deploy', modelPath, name, '--objective', objective, '--approve', ...flags);
    await this.run('profile', `${name}/1`);
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true });
  }

  /** Runs a `penstock` command and returns its output. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(penstock, [...args, '--data-dir', this.#directory]);
    return stdout;
  }
}
