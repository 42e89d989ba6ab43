/** Nodes of a cluster as processes, on a PostgreSQL of their own, and clients that send inferences to them all the time. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { EndpointBody, VersionBody } from '../../src/api/index.ts';
import { elementsOf } from '../../src/tensor.ts';
import { until } from '../end-to-end/poll.ts';
import { penstock, plainEnvironment, temporaryDirectory } from '../end-to-end/server.ts';
import { freePort } from '../free-port.ts';
import { modelPath, sample } from '../models/index.ts';
import { type PostgresServer, startPostgres } from '../postgres-server.ts';
import type { Namespaces } from './namespaces.ts';

const linkPort = 8201;

/** Of a client after each response: what it leaves of the processor, the nodes have. */
const pauseMs = 20;

/** A process of a node. The next one of the same name has the same port. */
export interface NodeProcess {
  readonly name: string;
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: () => string;
}

/** A response of a node. */
export interface NodeReply {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

/** What all nodes are started with. */
interface Shared {
  readonly databaseUrl: string;
  readonly flags: readonly string[];
  readonly machines: Namespaces | null;
}

export class NodesFixture {
  readonly postgres: PostgresServer;
  /** An inference of the model that `deployDigits` deploys, and what its response contains. */
  readonly digits = digitsInference();
  /** `ID:SECRET` of an admin key, valid at all nodes. */
  key = '';
  /** Of all nodes but those in `databaseUrls`. */
  readonly databaseUrl: string;
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #ports = new Map<string, number>();
  readonly #machines: Namespaces | null;
  /** By the name of a node: how it reaches the database, if not directly. */
  readonly databaseUrls = new Map<string, string>();
  /** By the name of a node: where it serves gRPC, on 127.0.0.1. Others serve none. */
  readonly grpcPorts = new Map<string, number>();
  /** Variables of the environment of a node, by its name. */
  readonly environments = new Map<string, Readonly<Record<string, string>>>();
  readonly #nodes = new Map<string, NodeProcess>();

  private constructor(postgres: PostgresServer, folder: string, { databaseUrl, flags, machines }: Shared) {
    this.postgres = postgres;
    this.#machines = machines;
    this.#folder = folder;
    this.databaseUrl = databaseUrl;
    this.#flags = flags;
  }

  /** `machines`: each node runs on the one with its name, and PostgreSQL on `store`. */
  static async create(machines: Namespaces | null = null): Promise<NodesFixture> {
    const folder = temporaryDirectory();
    const place = machines === null ? undefined : { on: machines.on('store'), address: machines.address('store') };
    const postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-nodes-')), place);
    const keyFile = join(folder, 'cluster.key');
    writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    const databaseUrl = await postgres.createDatabase('penstock');
    const short = ['--warm-workers', '1', '--profile-budget', '200ms', '--drain', '2s', '--log-level', 'info'];
    const flags = ['--objects', 'postgres', '--cluster-key-file', keyFile, ...short];
    return new NodesFixture(postgres, folder, { databaseUrl, flags, machines });
  }

  /** Resolves when the node accepts connections, and serves or stands by. `program`: of another version. */
  async start(name: string, program = penstock): Promise<NodeProcess> {
    const node = await this.spawn(name, program);
    await until(`${name} accepts connections`, () => {
      assert.equal(node.child.exitCode, null, node.log());
      return /penstock (?:ready|stands by) /.test(node.log());
    });
    return node;
  }

  /** Without waiting for anything. */
  async spawn(name: string, program = penstock): Promise<NodeProcess> {
    const port = this.#ports.get(name) ?? (await freePort());
    if (!this.#ports.has(name)) await this.#machines?.forward(name, port);
    this.#ports.set(name, port);
    const machines = this.#machines;
    const link = machines === null ? '127.0.0.1:0' : `${machines.address(name)}:${linkPort}`;
    const flags = ['up', '--port', `${port}`, '--data-dir', join(this.#folder, name), '--node', name, '--link', link, ...this.#flags];
    flags.push('--grpc-port', `${this.grpcPorts.get(name) ?? 'off'}`);
    flags.push('--database-url', this.databaseUrls.get(name) ?? this.databaseUrl);
    const [command, ...args] = machines === null ? [program, ...flags] : [...machines.on(name), program, ...flags];
    const env = { ...plainEnvironment(), ...this.environments.get(name) };
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
    const node = { name, url: `http://${machines?.address(name) ?? '127.0.0.1'}:${port}`, child, log: () => log };
    this.#nodes.set(name, node);
    return node;
  }

  node(name: string): NodeProcess {
    const node = this.#nodes.get(name);
    assert(node !== undefined);
    return node;
  }

  dataDirectory(name: string): string {
    return join(this.#folder, name);
  }

  isRunning(name: string): boolean {
    const { child } = this.node(name);
    return child.exitCode === null && child.signalCode === null;
  }

  /** Deploys a model through this node, which must be the home, and waits until it is in service. */
  async deployDigits(name: string, instances = 1): Promise<void> {
    await this.takeKey(name);
    const version = await this.registerDigits(name, 'digits');
    await this.call(name, 'POST', `/groups/digits/versions/${version.version}/approval`, { approval: 'Approved' });
    await this.call(name, 'POST', '/endpoints', { name: 'digits', variants: [{ model: version.name, instance_count: instances }] });
    await until('digits is in service', async () => {
      const { status, reason } = await this.call<EndpointBody>(name, 'GET', '/endpoints/digits');
      assert.notEqual(status, 'Failed', reason ?? '');
      return status === 'InService';
    });
  }

  /** The admin key that the first home has made. */
  async takeKey(name: string): Promise<void> {
    const { stdout } = await promisify(execFile)(penstock, ['env', '--output', 'json', '--data-dir', this.dataDirectory(name)]);
    this.key = (JSON.parse(stdout) as { PENSTOCK_KEY: string }).PENSTOCK_KEY;
  }

  /** Registers the model once more, in this group, through this node. */
  async registerDigits(name: string, group: string): Promise<VersionBody> {
    const file = readFileSync(modelPath('digits_mlp'));
    return (await this.call<{ version: VersionBody }>(name, 'POST', `/groups/${group}/versions?name=digits.onnx`, file)).version;
  }

  /** The name of the node that has the role. */
  async home(): Promise<string> {
    return this.postgres.psql('select holder from cluster_roles', 'penstock');
  }

  /** A call of the native API through this node. */
  async call<Body>(node: string, method: string, path: string, body?: unknown): Promise<Body> {
    const isFile = body instanceof Uint8Array;
    const type = body === undefined ? {} : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' };
    const content = body === undefined ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) };
    const headers = { authorization: `Bearer ${this.key}`, ...type };
    const response = await fetch(`${this.node(node).url}/api/v1${path}`, { method, headers, ...content });
    const text = await response.text();
    assert(response.status < 300, `${method} ${path} at ${node}: ${response.status} ${text}`);
    return (text === '' ? null : JSON.parse(text)) as Body;
  }

  async close(): Promise<void> {
    for (const { child } of this.#nodes.values()) {
      child.kill('SIGCONT');
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    }
    await this.postgres.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Sends `body` to `path`. Rejects if the connection breaks. */
export function post(
  agent: Agent,
  url: string,
  path: string,
  { key, body }: { readonly key: string; readonly body: string },
): Promise<NodeReply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', ...(key === '' ? {} : { authorization: `Bearer ${key}` }) };
    const sent = request(`${url}${path}`, { method: 'POST', agent, headers, timeout: 30_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }));
      response.on('error', reject);
    });
    sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no response within 30 s')));
    sent.end(body);
  });
}

/** One row, and the label that the model gives it. */
function digitsInference(): { readonly path: string; readonly body: string; readonly expected: string } {
  const { inputs, outputs } = sample('digits_mlp');
  const [input, label] = [inputs[0], outputs.find(({ name }) => name === 'label')];
  assert(input !== undefined && input.datatype !== 'BYTES' && label !== undefined && label.datatype !== 'BYTES');
  const columns = Number(input.shape[1]);
  const data = [...elementsOf(input.datatype, input.data)].slice(0, columns).map(Number);
  const body = JSON.stringify({ inputs: [{ name: input.name, datatype: input.datatype, shape: [1, columns], data }] });
  const expected = `"data":[${elementsOf(label.datatype, label.data)[0]}]`;
  return { path: '/v2/models/digits/infer', body, expected };
}

/** What a period of load has shown. Times in milliseconds. */
export interface LoadReport {
  readonly answered: number;
  /** Why requests failed. */
  readonly failed: readonly string[];
  /** The longest time without an answer. */
  readonly gapMs: number;
  readonly slowestMs: number;
}

/** Clients that each send one inference after the other to their node. */
export class Load {
  readonly #fixture: NodesFixture;
  readonly #path: string;
  readonly #body: string;
  readonly #expected: string;
  readonly #perNode: number;
  #nodes = new Set<string>();
  readonly #clients = new Map<string, Promise<void>[]>();
  #answered = 0;
  #failed: string[] = [];
  #lastMs = 0;
  #gapMs = 0;
  #slowestMs = 0;

  /** `expected`: what the body of each response contains. */
  constructor(
    fixture: NodesFixture,
    options: { readonly path: string; readonly body: string; readonly expected: string; readonly perNode?: number },
  ) {
    this.#fixture = fixture;
    this.#path = options.path;
    this.#body = options.body;
    this.#expected = options.expected;
    this.#perNode = options.perNode ?? 4;
  }

  get answered(): number {
    return this.#answered;
  }

  /** From now on, through these nodes. Resolves when the requests through others have ended, in whatever way. */
  async use(...nodes: readonly string[]): Promise<void> {
    const ended = [...this.#nodes].filter((name) => !nodes.includes(name));
    this.#nodes = new Set(nodes);
    for (const name of ended) {
      await Promise.all(this.#clients.get(name) ?? []);
      this.#clients.delete(name);
    }
    for (const name of nodes)
      if (!this.#clients.has(name))
        this.#clients.set(
          name,
          Array.from({ length: this.#perNode }, () => this.#client(name)),
        );
  }

  reset(): void {
    this.#answered = 0;
    this.#failed = [];
    this.#gapMs = 0;
    this.#slowestMs = 0;
    this.#lastMs = performance.now();
  }

  report(): LoadReport {
    const gapMs = Math.max(this.#gapMs, performance.now() - this.#lastMs);
    return { answered: this.#answered, failed: this.#failed, gapMs: Math.round(gapMs), slowestMs: Math.round(this.#slowestMs) };
  }

  async #client(name: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { url } = this.#fixture.node(name);
    while (this.#nodes.has(name)) {
      const fromMs = performance.now();
      try {
        const { status, body } = await post(agent, url, this.#path, { key: this.#fixture.key, body: this.#body });
        if (status !== 200 || !body.includes(this.#expected)) this.#failed.push(`${name}: ${status} ${body.slice(0, 200)}`);
        else this.#took(fromMs);
      } catch (error) {
        this.#failed.push(`${name}: ${String(error)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    agent.destroy();
  }

  #took(fromMs: number): void {
    const nowMs = performance.now();
    this.#answered++;
    this.#gapMs = Math.max(this.#gapMs, nowMs - this.#lastMs);
    this.#slowestMs = Math.max(this.#slowestMs, nowMs - fromMs);
    this.#lastMs = nowMs;
  }
}

/** Resolves with how the process ended. */
export async function ended({ child }: NodeProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? child.signalCode;
}
