/**
 * A server as users have it, `bin/penstock up`, in a directory of its own, and the calls of the native API that the
 * tests here make. Whatever happens to a test, the server and its workers are ended.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EndpointBody, VersionBody } from '../../src/api/index.ts';
import { startTicks } from '../../src/providers/process-facts.ts';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';

export const penstock: string = join(import.meta.dirname, '../../bin/penstock');

export interface ServerOptions {
  /** An earlier one's, to go on with its state; else a new one, which goes with the server. */
  readonly dataDir?: string;
  /** More arguments for `up`. */
  readonly flags?: readonly string[];
  /** What becomes of the command line: to start it in a namespace of its own, say. The process must stay the same. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

export interface Refusal {
  readonly error: string;
  readonly code: string;
}

export interface DeployOptions {
  readonly group?: string;
  readonly objective?: string;
  readonly timeoutMs?: number;
  readonly instances?: number;
}

/** A process that may have ended since, told from a stranger who got its pid. */
export interface ProcessName {
  readonly pid: number;
  readonly ticks: string;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'penstock-e2e-'));
}

/** Without settings of ours, and without what tells a process that it is a test. */
export function plainEnvironment(): Record<string, string> {
  const plain = Object.entries(process.env).filter(([name]) => !name.startsWith('PENSTOCK_') && !name.startsWith('NODE_'));
  return Object.fromEntries(plain) as Record<string, string>;
}

export class Server {
  readonly dataDir: string;
  readonly #ownsDirectory: boolean;
  readonly #child: ChildProcess;
  readonly ended: Promise<Ended>;
  url = '';
  stderr = '';
  #stdout = '';
  /** Every worker that was seen, so that none is forgotten when the server dies. */
  readonly #seen = new Map<string, ProcessName>();

  private constructor({ dataDir, flags = [], wrap = (command) => command }: ServerOptions) {
    this.#ownsDirectory = dataDir === undefined;
    this.dataDir = dataDir ?? temporaryDirectory();
    const up = [penstock, 'up', '--port', '0', '--data-dir', this.dataDir, '--log-level', 'warn', '--warm-workers', '1', ...flags];
    const [file, ...argv] = wrap(up);
    assert(file !== undefined);
    this.#child = spawn(file, argv, { cwd: tmpdir(), env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk) => (this.#stdout += String(chunk)));
    this.#child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
    // node:test ends a file that takes too long without running its `after`.
    const endWithUs = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', endWithUs);
    void this.ended.then(() => process.off('exit', endWithUs));
  }

  /** Resolves when it says that it serves. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = new Server(options);
    try {
      server.url = await until(
        'the server is ready',
        () => {
          assert(!server.hasEnded, `the server ended: ${server.stderr}`);
          return /^penstock ready (\S+)\n$/.exec(server.#stdout)?.[1];
        },
        60_000,
      );
      return server;
    } catch (error) {
      await server.end();
      throw error;
    }
  }

  get pid(): number {
    assert(this.#child.pid !== undefined);
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** `ID:SECRET` of the key that was made at the first start. */
  get adminKey(): string {
    const { keys } = JSON.parse(readFileSync(join(this.dataDir, 'keys.json'), 'utf8')) as { keys: { id: string; secret: string }[] };
    const [key] = keys;
    assert(key !== undefined);
    return `${key.id}:${key.secret}`;
  }

  /** The worker processes that this server, or an earlier one on its directory, has noted and that still run. */
  workers(): ProcessName[] {
    let notes: string[] = [];
    try {
      notes = readdirSync(join(this.dataDir, 'workers'));
    } catch {
      // Not made yet, or gone with the directory.
    }
    for (const note of notes) {
      const [, pid, ticks] = /^(\d+)-(\d+)$/.exec(note) ?? [];
      if (pid !== undefined && ticks !== undefined) this.#seen.set(note, { pid: Number(pid), ticks });
    }
    return [...this.#seen.values()].filter(isRunning);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends everything: asks the server, then does not ask; takes care of its workers and its own directory. */
  async end(): Promise<void> {
    this.workers();
    if (!this.hasEnded) {
      this.#child.kill('SIGTERM');
      await until('the server has ended', () => this.hasEnded, 15_000).catch(() => this.#child.kill('SIGKILL'));
    }
    await this.ended;
    for (const { pid } of this.workers()) process.kill(pid, 'SIGKILL');
    if (this.#ownsDirectory) rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Calls the native API; `path` stands below /api/v1. */
  async call<Body>(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply<Body>> {
    const isFile = body instanceof Uint8Array;
    const type = body === undefined ? {} : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' };
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? null : JSON.parse(text)) as Body };
  }

  /** The same where nothing but success will do. */
  async callWell<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const reply = await this.call<Body>(method, path, body);
    assert(reply.status < 300, `${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  async register(group: string, model: string): Promise<VersionBody> {
    const file = readFileSync(modelPath(model));
    const { version } = await this.callWell<{ version: VersionBody }>('POST', `/groups/${group}/versions?name=${model}.onnx`, file);
    return version;
  }

  async approve(version: VersionBody): Promise<void> {
    await this.callWell('POST', `/groups/${version.group}/versions/${version.version}/approval`, { approval: 'Approved' });
  }

  /** Registers a model of `test/models`, approves it, deploys it and waits until it serves. */
  async deploy(name: string, model: string, options: DeployOptions = {}): Promise<VersionBody> {
    const version = await this.register(options.group ?? name, model);
    await this.approve(version);
    await this.callWell('POST', '/endpoints', {
      name,
      variants: [{ model: version.name, instance_count: options.instances ?? 1 }],
      ...(options.objective === undefined ? {} : { objective: options.objective }),
      ...(options.timeoutMs === undefined ? {} : { timeout_ms: options.timeoutMs }),
    });
    await this.inService(name);
    return version;
  }

  endpoint(name: string): Promise<EndpointBody> {
    return this.callWell('GET', `/endpoints/${name}`);
  }

  /** Waits until what was asked for last is what serves, by as many workers as were asked for. */
  async inService(name: string): Promise<EndpointBody> {
    return until(`${name} is in service`, async () => {
      const view = await this.endpoint(name);
      assert.notEqual(view.status, 'Failed', `${name}: ${view.reason}`);
      const isWhole = view.variants.every(({ ready, instance_count: wanted }) => ready === wanted);
      return view.status === 'InService' && view.served_generation === view.generation && isWhole && view;
    });
  }

  /** Waits until batches of several rows leave: until the model's service times are known. */
  async batches(name: string): Promise<void> {
    await until(`${name} batches`, async () => {
      const { variants } = await this.endpoint(name);
      return variants.every(({ batch_size: size }) => (size ?? 0) > 1);
    });
  }

  /** A value of the metrics page, by the beginning of its line. */
  async metric(start: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    const line = page.split('\n').find((text) => text.startsWith(start));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
  }

  /** Waits until a worker of the endpoint runs something. */
  async busy(endpoint: string): Promise<void> {
    const line = `penstock_executors{endpoint="${endpoint}",variant="AllTraffic",state="busy"}`;
    await until(`${endpoint} is busy`, async () => (await this.metric(line)) > 0);
  }
}

export function isRunning({ pid, ticks }: ProcessName): boolean {
  return startTicks(pid) === ticks;
}
