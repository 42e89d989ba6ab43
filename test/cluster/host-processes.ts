/** Hosts of a cluster as processes: `penstock host`. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../end-to-end/poll.ts';
import { isRunning, penstock, plainEnvironment } from '../end-to-end/server.ts';
import type { Namespaces } from './namespaces.ts';
import type { NodesFixture } from './nodes-fixture.ts';

export class HostProcesses {
  readonly #folder = mkdtempSync(join(tmpdir(), 'penstock-hosts-'));
  readonly #children = new Map<string, ChildProcess>();
  readonly #program: string;
  readonly #machines: Namespaces | null;
  /** Further options of all hosts that start from now on. */
  options: readonly string[] = [];
  readonly #logs = new Map<string, () => string>();
  /** Variables of the environment of a host, by its name. */
  readonly environments = new Map<string, Readonly<Record<string, string>>>();

  /** `program`: of another version. `machines`: each host runs on the one with its name. */
  constructor(program = penstock, machines: Namespaces | null = null) {
    this.#program = program;
    this.#machines = machines;
  }

  /** Starts hosts that join with one token of this node, which must be the home. */
  async join(fixture: NodesFixture, node: string, ...names: readonly string[]): Promise<void> {
    if (fixture.key === '') await fixture.takeKey(node);
    const { token } = await fixture.call<{ token: string }>(node, 'POST', '/cluster/tokens', { max_uses: names.length });
    for (const name of names) await this.start(name, ['--join', token]);
  }

  /** Resolves when the host is linked. Without a token it has the certificate of its data directory. */
  async start(name: string, joining: readonly string[] = [], program = this.#program): Promise<void> {
    const child = this.spawn(name, joining, program);
    await until(`${name} is linked`, () => {
      assert.equal(child.exitCode, null, this.log(name));
      return this.log(name).includes(`penstock host ${name} linked`);
    });
  }

  /** Resolves with the exit code and what the host has printed, if it cannot join. */
  async rejected(name: string, joining: readonly string[]): Promise<{ readonly code: number | null; readonly log: string }> {
    const child = this.spawn(name, joining);
    await once(child, 'close');
    return { code: child.exitCode, log: this.log(name) };
  }

  /** Without waiting for anything. */
  spawn(name: string, joining: readonly string[] = [], program = this.#program): ChildProcess {
    const size = ['--zone', `zone-${name}`, '--cpus', '64', '--memory', '8GiB', '--warm-workers', '1'];
    const flags = ['host', ...joining, '--name', name, '--data-dir', this.dataDirectory(name), ...size, ...this.options];
    const [command, ...args] = this.#machines === null ? [program, ...flags] : [...this.#machines.on(name), program, ...flags];
    const env = { ...plainEnvironment(), ...this.environments.get(name) };
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.set(name, child);
    let log = '';
    this.#logs.set(name, () => log);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += String(chunk)));
    return child;
  }

  dataDirectory(name: string): string {
    return join(this.#folder, name);
  }

  /** What its agent has printed since it started. */
  log(name: string): string {
    return this.#logs.get(name)?.() ?? '';
  }

  child(name: string): ChildProcess {
    const child = this.#children.get(name);
    assert(child !== undefined);
    return child;
  }

  /** First process of each worker that runs on this host, also of those that an earlier agent of it started. */
  workers(name: string): number[] {
    const pids: number[] = [];
    for (const note of readdirSync(join(this.dataDirectory(name), 'workers'))) {
      const [, pid, ticks] = /^(\d+)-(\d+)$/.exec(note) ?? [];
      if (pid !== undefined && ticks !== undefined && isRunning({ pid: Number(pid), ticks })) pids.push(Number(pid));
    }
    return pids;
  }

  close(): void {
    for (const child of this.#children.values()) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
