/**
 * Runs `penstock up` in its own data directory, with helpers for the native API. The server and its workers are ended even if
 * a test fails.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { EndpointBody, VersionBody } from '../../src/api/index.ts';
import { startTicks } from '../../src/providers/processes/process-facts.ts';
import { penstock } from '../bundle/bundled-server.ts';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';

export { penstock };

/** `GATEWAYS=2 node --test FILE` runs a test with that number of gateway processes before its servers. */
const gateways = process.env['GATEWAYS'];

/** `OBJECTS=s3://BUCKET?endpoint=URL node --test FILE` runs a test with its objects there, under a prefix for each data directory. */
const objects = process.env['OBJECTS'];

export interface ServerOptions {
  /** The directory of an earlier server, to resume its state. By default a new one, which is deleted with the server. */
  readonly dataDir?: string;
  /** Additional arguments of `up`. */
  readonly flags?: readonly string[];
  /** Transforms the command line, for example to run it in a namespace. The command must replace its own process (`exec`). */
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

/** Identifies a process by pid and start time, because pids are reused. */
export interface ProcessName {
  readonly pid: number;
  readonly ticks: string;
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'penstock-e2e-'));
}

/** The environment without PENSTOCK_ and NODE_ variables. */
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
  /** Every worker observed so far, so that `end` can end them if the server dies. */
  readonly #workers = new Map<string, ProcessName>();

  private constructor({ dataDir, flags = [], wrap = (command) => command }: ServerOptions) {
    this.#ownsDirectory = dataDir === undefined;
    this.dataDir = dataDir ?? temporaryDirectory();
    const up = [penstock, 'up', '--port', '0', '--data-dir', this.dataDir, '--log-level', 'warn', '--warm-workers', '1'];
    // A short drain, because fetch's keep-alive connections delay each shutdown by a fifth of it or more.
    if (!flags.includes('--drain')) up.push('--drain', '500ms');
    // Each model is measured after its registration: few tests need more than a rough profile.
    if (!flags.includes('--profile-budget')) up.push('--profile-budget', '200ms');
    if (gateways !== undefined && !flags.includes('--gateways')) up.push('--gateways', gateways);
    if (objects !== undefined && !flags.includes('--objects')) {
      const place = new URL(objects);
      place.pathname = basename(this.dataDir);
      up.push('--objects', place.href);
    }
    up.push(...flags);
    const [file, ...argv] = wrap(up);
    assert(file !== undefined);
    this.#child = spawn(file, argv, { cwd: tmpdir(), env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (chunk) => (this.#stdout += String(chunk)));
    this.#child.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }));
    // node:test ends a file that times out without running its `after` hooks.
    const killChild = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', killChild);
    void this.ended.then(() => process.off('exit', killChild));
  }

  /** Resolves when the server reports that it is ready. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const server = new Server(options);
    try {
      server.url = await until(
        'the server is ready',
        () => {
          assert(!server.hasEnded, `the server ended: ${server.stderr}`);
          return /^(?:penstock stands by \S+\n)?penstock ready (\S+)\n$/.exec(server.#stdout)?.[1];
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

  /** `ID:SECRET` of the key created at the first start. */
  get adminKey(): string {
    const { keys } = JSON.parse(readFileSync(join(this.dataDir, 'keys.json'), 'utf8')) as { keys: { id: string; secret: string }[] };
    const [key] = keys;
    assert(key !== undefined);
    return `${key.id}:${key.secret}`;
  }

  /** The running worker processes that this server, or an earlier one on its directory, has recorded. */
  workers(): ProcessName[] {
    let notes: string[] = [];
    try {
      notes = readdirSync(join(this.dataDir, 'workers'));
    } catch {
      // The directory does not exist yet, or was deleted.
    }
    for (const note of notes) {
      const [, pid, ticks] = /^(\d+)-(\d+)$/.exec(note) ?? [];
      if (pid !== undefined && ticks !== undefined) this.#workers.set(note, { pid: Number(pid), ticks });
    }
    return [...this.#workers.values()].filter(isRunning);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the server with SIGTERM, then SIGKILL; ends its workers and deletes its own directory. */
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

  /** Calls the native API. `path` is relative to /api/v1. */
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

  /** Like `call`, but asserts success and returns the body. */
  async callWell<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const reply = await this.call<Body>(method, path, body);
    assert(reply.status < 300, `${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** `model`: the name of a model of `test/models`, or the bytes of a file. */
  async register(group: string, model: string | Uint8Array): Promise<VersionBody> {
    const [name, file] = typeof model === 'string' ? [model, readFileSync(modelPath(model))] : [group, model];
    const { version } = await this.callWell<{ version: VersionBody }>('POST', `/groups/${group}/versions?name=${name}.onnx`, file);
    return version;
  }

  async approve(version: VersionBody): Promise<void> {
    await this.callWell('POST', `/groups/${version.group}/versions/${version.version}/approval`, { approval: 'Approved' });
  }

  /** Registers a model, approves it, deploys it and waits until it serves. */
  async deploy(name: string, model: string | Uint8Array, options: DeployOptions = {}): Promise<VersionBody> {
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

  /** Waits until the latest generation is served by the configured number of workers. */
  async inService(name: string): Promise<EndpointBody> {
    return until(`${name} is in service`, async () => {
      const view = await this.endpoint(name);
      assert.notEqual(view.status, 'Failed', `${name}: ${view.reason}`);
      const isWhole = view.variants.every(({ ready, instance_count: wanted }) => ready === wanted);
      return view.status === 'InService' && view.served_generation === view.generation && isWhole && view;
    });
  }

  /** Waits until requests are batched, which requires known service times of the model. */
  async batches(name: string): Promise<void> {
    await until(`${name} batches`, async () => {
      const { variants } = await this.endpoint(name);
      return variants.every(({ batch_size: size }) => (size ?? 0) > 1);
    });
  }

  /** The value of a line of /metrics, by the beginning of the line; 0 if it is missing. */
  async metric(start: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    const line = page.split('\n').find((text) => text.startsWith(start));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
  }

  /** Waits until a worker of the endpoint is busy. */
  async busy(endpoint: string): Promise<void> {
    const line = `penstock_executors{endpoint="${endpoint}",variant="AllTraffic",state="busy"}`;
    await until(`${endpoint} is busy`, async () => (await this.metric(line)) > 0);
  }
}

export function isRunning({ pid, ticks }: ProcessName): boolean {
  return startTicks(pid) === ticks;
}
