/** A home with hosts in one process: agents with real workers, linked over sockets that a test can cut, silence or speak on itself. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '../src/clock.ts';
import { defined } from '../src/defined.ts';
import { AgentArtifacts } from '../src/hosts/agent/agent-artifacts.ts';
import type { AgentPythons } from '../src/hosts/agent/agent-pythons.ts';
import { AgentTasks } from '../src/hosts/agent/agent-tasks.ts';
import { HostAgent, type HostAgentOptions } from '../src/hosts/agent/host-agent.ts';
import type { PlacedProviderOptions } from '../src/hosts/placed-options.ts';
import { PlacedProvider } from '../src/hosts/placed-provider.ts';
import type { LinkIdentity } from '../src/links/index.ts';
import type { Log } from '../src/logs/index.ts';
import {
  isolationSettings,
  LocalProvider,
  type Provider,
  type PythonHost,
  type WorkerSpec,
  type WorkerView,
} from '../src/providers/index.ts';
import { SeededRandom } from '../src/random.ts';
import type { TensorParts } from '../src/runtime/index.ts';
import { FileHasher, VerifiedFiles } from '../src/storage/index.ts';
import { bytesOf } from '../src/tensor.ts';
import type { TestCluster } from './links-fixture.ts';
import { modelPath } from './models/index.ts';
import { PeerFixture } from './peer-fixture.ts';

const quiet = (): void => undefined;
export const silentLog = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => silentLog } as unknown as Log;

/** By SHA-256: the files that homes store. */
const stored = new Map<string, string>();

/** Stores a file of the test models, and returns its address. */
export function storedModel(path: string): { readonly sha256: string; readonly bytes: number } {
  const content = readFileSync(path);
  const sha256 = createHash('sha256').update(content).digest('hex');
  stored.set(sha256, path);
  return { sha256, bytes: content.length };
}

export async function storedPath(sha256: string): Promise<string> {
  const path = stored.get(sha256);
  assert(path !== undefined, `the object ${sha256} is stored`);
  return path;
}

export function workerSpec(model: string, changes: Partial<WorkerSpec> = {}): WorkerSpec {
  return {
    id: 'w1',
    endpoint: 'e',
    variant: 'AllTraffic',
    generation: 1,
    artifact: storedModel(modelPath(model)),
    modelName: `${model}/1`,
    threads: 1,
    memoryMiB: 512,
    instanceType: 'local.1',
    kind: 'instance',
    vcpuMax: null,
    ...changes,
  };
}

export function floats(name: string, shape: readonly number[], value: number): TensorParts {
  const count = shape.reduce((product, size) => product * size, 1);
  return { name, datatype: 'FP32', shape, parts: [bytesOf(new Float32Array(count).fill(value))] };
}

/** A run of test_slow_loop, about 4 us per iteration. */
export function slowRun(iterations: bigint): TensorParts[] {
  return [floats('x', [1, 256], 0.5), { name: 'iters', datatype: 'INT64', shape: [], parts: [bytesOf(BigInt64Array.of(iterations))] }];
}

/** Resolves with the first matching view, the current one or a later one. */
export function viewWhere(provider: Provider, isIt: (view: WorkerView) => boolean): Promise<WorkerView> {
  return new Promise((resolve) => {
    const off = provider.onChange(() => look());
    function look(): void {
      const view = provider.list().find(isIt);
      if (view === undefined) return;
      off();
      resolve(view);
    }
    look();
  });
}

export async function until(isTrue: () => boolean, what: string, withinMs = 20_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !isTrue(); ) {
    assert(performance.now() < endMs, `not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Two connected TCP sockets, paused. */
export async function socketPair(): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  near.pause();
  for (const socket of [near, far]) socket.setNoDelay(true).on('error', quiet);
  return [near, far];
}

type HomeChanges = Partial<PlacedProviderOptions>;
type HostChanges = Partial<HostAgentOptions> & {
  /** Default: none. */
  readonly pythons?: AgentPythons;
  readonly link?: (near: Socket, far: Socket) => readonly [Duplex, Duplex];
  /** With it the host reads from other hosts of this cluster, and serves them. */
  readonly cluster?: TestCluster;
};

/** With TLS, what both ends have. */
interface LinkIdentities {
  readonly ofHome: LinkIdentity;
  readonly ofAgent: LinkIdentity;
}

/** Folders, providers and agents of a test; `close` ends all of them. */
export class HostsFixture {
  readonly root = mkdtempSync('/tmp/penstock-hosts-');
  readonly clock = new SystemClock();
  readonly #closers: (() => Promise<void> | void)[] = [];
  readonly #tasks = new Set<LocalProvider['tasks']>();
  readonly #hasher = new FileHasher();
  readonly links = new Map<string, Socket>();
  #folders = 0;
  /** Of hosts, by name. */
  readonly artifacts = new Map<string, AgentArtifacts>();
  /** Agents dial this one. */
  home: PlacedProvider | null = null;

  /** A provider of this machine. */
  async openLocal(
    fetchFile: (sha256: string) => Promise<string> = storedPath,
    onLine = quiet as never,
    interpreterOf?: PythonHost['interpreterOf'],
    stateDirectory = join(this.root, `state-${this.#folders++}`),
  ): Promise<LocalProvider> {
    mkdirSync(stateDirectory, { recursive: true });
    const options = { clock: this.clock, log: silentLog, stateDirectory, warmWorkers: 0, fetchFile, onLine };
    const python = interpreterOf === undefined ? undefined : { interpreterOf, hasNetwork: false, forks: false };
    const isolation = isolationSettings({ mode: 'none' });
    const provider = new LocalProvider({ ...options, isolation, ...defined({ python }) });
    await provider.open();
    this.#closers.push(() => provider.close());
    this.#tasks.add(provider.tasks);
    return provider;
  }

  /** A home, to which agents link from now on. `local`: default one without workers. */
  async openHome(changes: HomeChanges = {}): Promise<PlacedProvider> {
    const home = new PlacedProvider({
      clock: this.clock,
      log: silentLog,
      epoch: 1,
      local: changes.local ?? (await this.openLocal()),
      home: { name: 'home', zone: 'z0', cpuMilli: 0, memoryMiB: 0 }, // nothing fits
      fetch: storedPath,
      onLine: quiet,
      expected: [],
      expectedMs: 0,
      times: { awayMax: 400, unclaimedMax: 600 },
      ...changes,
    });
    this.#closers.push(() => home.close());
    this.home = home;
    return home;
  }

  /** An agent that links to the present home. Resolves when it has reported to it. */
  async openHost(name: string, changes: HostChanges = {}): Promise<HostAgent> {
    const folder = changes.folder ?? join(this.root, `${name}-${this.#folders++}`);
    mkdirSync(folder, { recursive: true });
    const files: { agent?: HostAgent } = {};
    const { pythons, link, cluster, folder: _, ...options } = changes;
    const peers = cluster === undefined ? undefined : await PeerFixture.open(cluster, name);
    if (peers !== undefined) this.#closers.push(() => peers.close());
    const artifacts = new AgentArtifacts({
      clock: this.clock,
      log: silentLog,
      folder: join(folder, 'objects'),
      bytesMax: 2 ** 30,
      verified: new VerifiedFiles(this.#hasher),
      inUse: () => files.agent?.workers.artifacts ?? new Set(),
      ...defined({ peers: peers?.links }),
    });
    this.artifacts.set(name, artifacts);
    const serves = await peers?.serve(artifacts);
    const provider = await this.openLocal(
      (sha256) => artifacts.fetch(sha256),
      ((spec: WorkerSpec, line: string, ids: readonly string[]) => files.agent?.workers.printed(spec.id, line, ids)) as never,
      pythons?.interpreterOf,
      join(folder, 'state'),
    );
    const tasks = new AgentTasks({
      clock: this.clock,
      log: silentLog,
      tasks: provider.tasks,
      folder: join(folder, 'training'),
      fetch: (sha256) => artifacts.fetch(sha256),
      interpreterOf: pythons?.interpreterOf ?? (() => Promise.reject(new Error('this host has no Python'))),
      memoryMiB: changes.memoryMiB ?? 16_384,
      workersMiB: () => files.agent?.workers.heldMiB ?? 0,
    });
    await tasks.open();
    const agent = new HostAgent({
      clock: this.clock,
      random: new SeededRandom(1),
      log: silentLog,
      provider,
      artifacts,
      tasks,
      folder,
      version: '0',
      zone: 'z1',
      cpuMilli: 8000,
      memoryMiB: 16_384,
      abilities: { isolation: 'none', architecture: process.arch, pythons: pythons?.reported ?? [], runsTasks: true },
      keepMs: 60_000,
      dial: (fields, signal) => this.dial(name, { ...fields }, signal, link),
      ...defined({ serves }),
      ...options,
    });
    files.agent = agent;
    this.#closers.push(() => agent.close());
    agent.run().catch(quiet);
    await until(() => this.home?.linked.host(name)?.isLinked === true, `${name} is linked`);
    return agent;
  }

  /** As an agent would: waits for a home that admits the host. */
  async dial(name: string, fields: Readonly<Record<string, unknown>>, signal: AbortSignal, link: HostChanges['link']): Promise<Duplex> {
    while (this.home === null) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { linked } = this.home;
    linked.admit(name, fields);
    const [near, far] = await socketPair();
    this.links.set(name, far);
    const [ofAgent, ofHome] = link?.(near, far) ?? [near, far];
    linked.serve(ofHome, name, fields);
    return ofAgent;
  }

  /** An agent as a process of its own, which links to `home`. Resolves when it has reported. */
  async spawnHost(home: PlacedProvider, name: string, tls: LinkIdentities | null = null): Promise<ChildProcess> {
    const facts = { instance: name, version: '0', zone: 'z1', cpuMilli: 8000, memoryMiB: 16_384 };
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      socket.on('error', quiet);
      this.links.set(name, socket);
      const { cert, key, authorities: ca } = tls?.ofHome ?? { cert: '', key: '', authorities: '' };
      home.linked.serve(tls === null ? socket : new TLSSocket(socket, { isServer: true, requestCert: true, cert, key, ca }), name, facts);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const program = fileURLToPath(new URL('./agent-process.ts', import.meta.url));
    const identity = tls === null ? [] : [JSON.stringify(tls.ofAgent)];
    const child = spawn(process.execPath, [program, String(port), join(this.root, name), ...identity], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#closers.push(async () => {
      server.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    await until(() => home.linked.host(name)?.isLinked === true, `${name} is linked`);
    return child;
  }

  async close(): Promise<void> {
    for (const tasks of this.#tasks) {
      // A later agent of the folder may have removed it.
      for (const { id } of tasks.list()) await tasks.stop(id, 0).catch(() => undefined);
      await until(() => tasks.list().every(({ state }) => state === 'ended' || state === 'lost'), 'all tasks have ended');
    }
    for (const close of this.#closers.splice(0).reverse()) await close();
    await this.#hasher.close();
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 }); // a compile cache may still be written
  }
}
