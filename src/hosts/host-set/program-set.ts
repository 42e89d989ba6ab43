/**
 * The number of hosts by a program of the operator, for other engines than Kubernetes. `PROGRAM read NAME` prints
 * `{"hosts": 3, "version": "41"}`. `PROGRAM write NAME` gets `{"hosts", "version", "epoch"}` as JSON on its standard input and prints the
 * same as `read`, or ends with 3 if the set has another version.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { type HostSet, type HostSetChange, type HostSetCount, hostSetCount, oneLine } from './host-set.ts';

/** A shutdown waits for it. */
const runMsMax = 10_000;
const outputMax = 64 * 1024;
const versionChanged = 3;

export class ProgramSet implements HostSet {
  readonly #clock: Clock;
  readonly #program: string;
  readonly #name: string;
  readonly #env: NodeJS.ProcessEnv;

  /** `env`: of this process. The program gets it without the settings of Penstock, some of which are secret. */
  constructor(clock: Clock, program: string, name: string, env: NodeJS.ProcessEnv) {
    this.#clock = clock;
    this.#program = program;
    this.#name = name;
    this.#env = Object.fromEntries(Object.entries(env).filter(([variable]) => !variable.startsWith('PENSTOCK_')));
  }

  async read(): Promise<HostSetCount> {
    return this.#countOf('read', await this.#run('read', ''));
  }

  async write({ hosts, version, epoch }: HostSetChange): Promise<HostSetCount | null> {
    const ran = await this.#run('write', JSON.stringify({ hosts, version, epoch }));
    return ran.code === versionChanged ? null : this.#countOf('write', ran);
  }

  #countOf(verb: string, { code, output, errors }: ProgramRun): HostSetCount {
    const what = `${this.#program} ${verb} ${this.#name}`;
    if (code !== 0) throw new PlatformError('unavailable', `${what} ended with ${code}: ${oneLine(errors) || 'it printed no reason'}`);
    const count = parsed(output);
    if (count !== null) return count;
    throw new PlatformError('unavailable', `${what}: expected {"hosts": N, "version": "V"}, got ${oneLine(output) || 'nothing'}`);
  }

  #run(verb: string, input: string): Promise<ProgramRun> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void =>
        reject(new PlatformError('unavailable', `${this.#program} ${verb} ${this.#name} failed: ${reason}`));
      // In a group of its own, so that what it started ends with it.
      const child = spawn(this.#program, [verb, this.#name], { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
      const cancel = this.#clock.after(runMsMax, () => {
        endGroup(child);
        fail(`it took more than ${runMsMax / 1000} s`);
      });
      const texts = { output: '', errors: '' };
      const collect = (name: keyof typeof texts, chunk: Buffer): void => {
        texts[name] += chunk.toString('utf8');
        if (texts[name].length <= outputMax) return;
        endGroup(child);
        fail(`it printed more than ${outputMax} bytes`);
      };
      child.stdout.on('data', (chunk: Buffer) => collect('output', chunk));
      child.stderr.on('data', (chunk: Buffer) => collect('errors', chunk));
      child.stdin.on('error', () => undefined); // it need not read it
      child.stdin.end(input);
      child.on('error', (error) => {
        cancel();
        fail(oneLine(messageOf(error)));
      });
      child.on('close', (code, signal) => {
        cancel();
        if (code === null) fail(`it was ended by ${signal}`);
        else resolve({ code, ...texts });
      });
    });
  }
}

interface ProgramRun {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function parsed(output: string): HostSetCount | null {
  try {
    const { hosts, version } = JSON.parse(output) as { readonly hosts?: unknown; readonly version?: unknown };
    return hostSetCount(hosts, version);
  } catch {
    return null;
  }
}
