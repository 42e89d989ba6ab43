/** Nodes and hosts as processes on this machine, with a PostgreSQL of their own, and an endpoint whose workers sleep. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { postRequest } from '../../src/cli/load/http-connection.ts';
import { type PostgresServer, startPostgres } from '../../test/postgres-server.ts';
import { slowLoopInput, writeSlowLoop } from '../agreement/slow-loop.ts';
import { cpuMsByRole } from '../servers/process-tree.ts';
import { ServerProcess } from '../servers/server-process.ts';

const penstock = join(import.meta.dirname, '../../bin/penstock');
const endpoint = 'sleeper';
/** Larger than this machine's memory, of which it uses little: the machine of the home has no room for it. Hosts say that they have it. */
const instanceType = 'host.sized';
const instanceMiB = 2 * Math.ceil(totalmem() / 1024 ** 2);
const config = { prices: { instances: { [instanceType]: { vcpu: 1, memoryMiB: instanceMiB, usdPerHour: 0.01 } } } };
const startMsMax = 60_000;

/** Processor time in milliseconds. */
export interface ClusterCpu {
  readonly home: number;
  readonly fronts: number;
  readonly agents: number;
  readonly workers: number;
}

export class LocalCluster {
  readonly #folder = mkdtempSync(join(tmpdir(), 'penstock-cluster-'));
  readonly #env: Readonly<Record<string, string>>;
  readonly #hosts: ChildProcess[] = [];
  readonly #nodes: ServerProcess[] = [];
  #postgres: PostgresServer | null = null;
  #key = '';

  /** `sleepMs`: for each run of a worker. */
  constructor(sleepMs: number) {
    const preloaded = new URL('./sleeping.ts', import.meta.url);
    this.#env = { SLEEP_MS: String(sleepMs), NODE_OPTIONS: `--import ${preloaded.href}`, PENSTOCK_WARM_WORKERS: '0' };
  }

  get nodes(): readonly ServerProcess[] {
    return this.#nodes;
  }

  /** Starts nodes and hosts, each host with room for one worker. The machine of the home has none. */
  async start({ nodes, hosts }: { readonly nodes: number; readonly hosts: number }): Promise<void> {
    this.#postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-postgres-')));
    const keyFile = join(this.#folder, 'cluster.key');
    writeFileSync(keyFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
    const url = await this.#postgres.createDatabase('penstock');
    const shared = ['--database-url', url, '--cluster-key-file', keyFile, '--objects', 'postgres'];
    for (let n = 0; n < nodes; n++) await this.#startNode(n, ['--node', `n${n}`, '--link', '127.0.0.1:0', ...shared]);
    this.#key = /PENSTOCK_KEY=(\S+)/.exec(await this.#run('env'))?.[1]?.replaceAll("'", '') ?? '';
    const { token } = JSON.parse(await this.#run('cluster', 'token', 'create', '--uses', `${hosts}`, '--output', 'json')) as {
      token: string;
    };
    await Promise.all(Array.from({ length: hosts }, (_, n) => this.#startHost(`h${n}`, token)));
  }

  /** One server without a cluster, which runs all workers itself. */
  async startAlone(): Promise<void> {
    await this.#startNode(0, []);
  }

  /** Deploys the model, or changes the number of its instances. Resolves when they serve. */
  async deploy(instances: number): Promise<void> {
    const path = join(this.#folder, 'sleeper.onnx');
    const model = existsSync(path) ? `${endpoint}/1` : path;
    if (model === path) writeSlowLoop(path, 1n);
    await this.#run('deploy', model, endpoint, '--approve', '--instances', `${instances}`, '--instance-type', instanceType);
  }

  /** A request to the endpoint through this node. */
  request(node: ServerProcess): Buffer {
    const { name, shape } = slowLoopInput;
    const data = Buffer.from(new Float32Array(shape[1]).fill(0.5).buffer);
    const input = { name, datatype: 'FP32', shape, parameters: { binary_data_size: data.length } };
    const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
    return postRequest(new URL(`/v2/models/${endpoint}/infer`, node.url), Buffer.concat([head, data]), {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(head.length),
      ...(this.#key === '' ? {} : { Authorization: `Bearer ${this.#key}` }),
    });
  }

  /** Workers on each host, as the home sees them. */
  async workersByHost(): Promise<number[]> {
    const { hosts } = JSON.parse(await this.#run('cluster', 'status', '--output', 'json')) as {
      hosts: { name: string; workers: number }[];
    };
    return hosts.filter(({ name }) => name.startsWith('h')).map(({ workers }) => workers);
  }

  /** Of all processes since their start; the home is the first node. */
  cpuMs(): ClusterCpu {
    const home = cpuMsByRole(this.#nodes[0]?.pid ?? 0);
    const sum = { home: home.home, fronts: home.gateways, agents: 0, workers: home.others };
    for (const { pid = 0 } of this.#hosts) {
      const host = cpuMsByRole(pid);
      sum.agents += host.home;
      sum.workers += host.others;
    }
    return sum;
  }

  async close(): Promise<void> {
    for (const child of this.#hosts) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    for (const node of this.#nodes.toReversed()) await node.stop();
    await this.#postgres?.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #startNode(n: number, flags: readonly string[]): Promise<void> {
    const directory = join(this.#folder, `n${n}`);
    mkdirSync(directory);
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
    const args = ['up', '--port', '0', '--data-dir', directory, '--drain', '1s', '--log-level', 'warn', ...flags];
    const ready = /^penstock (?:ready|stands by) (\S+)$/;
    this.#nodes.push(await ServerProcess.start({ command: penstock, env: this.#env, args, readyOn: 'stdout', ready }));
  }

  async #startHost(name: string, token: string): Promise<void> {
    const size = ['--zone', name, '--cpus', '1', '--memory', `${instanceMiB}MiB`];
    const args = ['host', '--join', token, '--name', name, '--data-dir', join(this.#folder, name), ...size, '--warm-workers', '0'];
    const child = spawn(penstock, args, { env: { ...process.env, ...this.#env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#hosts.push(child);
    let log = '';
    const isLinked = new Promise<void>((resolve) => {
      const read = (chunk: Buffer): void => {
        log += chunk.toString();
        if (log.includes(`penstock host ${name} linked`)) resolve();
      };
      for (const stream of [child.stdout, child.stderr]) stream.on('data', read);
    });
    const failed = Promise.race([once(child, 'exit'), new Promise((resolve) => setTimeout(resolve, startMsMax).unref())]).then(() => {
      throw new Error(`${name} is not linked within ${startMsMax / 1000} s: ${log.slice(-2000)}`);
    });
    failed.catch(() => undefined);
    await Promise.race([isLinked, failed]);
    log = '';
  }

  async #run(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(penstock, [...args, '--data-dir', join(this.#folder, 'n0')]);
    return stdout;
  }
}
