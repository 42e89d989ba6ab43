/**
 * A model that is a command speaking the container contract: started with `serve`, alive once GET /ping answers 200,
 * asked by POST /invocations, ended by SIGTERM. Its worker stands between it and the server, and is of no use without it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Payload, Reply } from './payload.ts';
import { unpackBundle } from './process-bundle.ts';
import { signalGroup } from './process-group.ts';
import { type InvokeOptions, ProcessHttp } from './process-http.ts';
import { ProcessLog } from './process-log.ts';

/** What a worker is told of the process that it is to start. */
export interface ProcessSpec {
  /** The program and its first arguments; `serve` comes after them. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Its own: made by the worker, removed by who started the worker. The model lies in `model`. */
  readonly directory: string;
  /** By this variable each process that descends from it is found, wherever it went. */
  readonly mark: { readonly name: string; readonly value: string };
  /** How many calls it is given at once; others wait here. */
  readonly concurrency: number;
  /** From its start until GET /ping must have answered 200. */
  readonly startTimeoutMs: number;
  readonly unpackedBytesMax: number;
}

const pingTimeoutMs = 2_000;
const pingPauseMsMin = 50;
const pingPauseMsMax = 1_000;
/** An idle process is asked so often, and given up after so many wrong answers in a row. */
const healthEveryMs = 5_000;
const sickMax = 3;
/** From SIGTERM to SIGKILL. */
const graceMs = 30_000;
/** How long a broken connection may mean that the process is about to end. */
const endsSoonMs = 500;
/** What it printed last is read within this, also where a child of it holds the pipe open. */
const lastWordsMs = 200;

const never = new Promise<never>(() => undefined);

/** What the worker itself has of the server's environment, and a process may have as well. */
const inheritedNames = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH'];

export interface ProcessSurroundings {
  readonly clock: Clock;
  readonly threads: number;
  /** Takes a line that the process printed. */
  readonly print: (line: string) => void;
  /** It ended by itself, or does not answer any more. Whoever hears it has heard what it printed, too. */
  readonly onLost: (why: string) => void;
}

export class ProcessModel {
  readonly #clock: Clock;
  readonly #http: ProcessHttp;
  readonly #log: ProcessLog;
  /** How it ended: `exit code 1` or `killed by SIGKILL`. */
  readonly #ended: Promise<string>;
  #open = 0;
  /** How many calls may be made at once yet, and those that wait for that. */
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #isStopping = false;
  #isReady = false;
  #sick = 0;

  private constructor(child: ChildProcess, port: number, concurrency: number, { clock, print, onLost }: ProcessSurroundings) {
    this.#free = concurrency;
    this.#clock = clock;
    this.#http = new ProcessHttp(port);
    this.#log = new ProcessLog(() => clock.nowMs(), print);
    if (child.stdout !== null) this.#log.follow(child.stdout);
    if (child.stderr !== null) this.#log.follow(child.stderr);
    this.#ended = endOf(child, () => this.#pause(lastWordsMs));
    void this.#ended.then((how) => {
      if (this.#isReady && !this.#isStopping) onLost(`the process ended by itself: ${how}`);
    });
  }

  /** Resolves once it answers. Throws `model_failed`, `invalid_request` (its archive); then it may still run, for its worker's group to end. */
  static async start(path: string, spec: ProcessSpec, around: ProcessSurroundings): Promise<ProcessModel> {
    const folder = join(spec.directory, 'model');
    await unpackBundle(path, folder, spec.unpackedBytesMax);
    const port = await freePort();
    const [program = '', ...words] = spec.command;
    const child = spawn(program, [...words, 'serve'], {
      cwd: folder,
      env: environmentOf(spec, folder, port, around.threads),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const model = new ProcessModel(child, port, spec.concurrency, around);
    await model.#becomeReady(spec.startTimeoutMs, program);
    model.#watch(around.onLost);
    return model;
  }

  /**
   * So many calls at once as it takes; another may come to be at hand, and waits. `onBegin` is told when its turn has
   * come. Throws `model_failed`. Never settles where the process is ending: its worker ends with it, which says more.
   */
  async invoke(payload: Payload, options: InvokeOptions, onBegin: () => void): Promise<Reply> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      onBegin();
      return await this.#invoke(payload, options);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  async #invoke(payload: Payload, options: InvokeOptions): Promise<Reply> {
    this.#open++;
    try {
      return await this.#http.invoke(payload, options);
    } catch (error) {
      const isBroken = error instanceof PlatformError && error.cause !== undefined && options.signal?.aborted !== true;
      if (isBroken && (await Promise.race([this.#ended.then(() => true), this.#pause(endsSoonMs)])) === true) await never;
      throw error;
    } finally {
      this.#open--;
    }
  }

  /** SIGTERM to all of the worker's group, this process among them; resolves when the process has ended, or its grace has. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    signalGroup('SIGTERM');
    await Promise.race([this.#ended, this.#pause(graceMs)]);
  }

  async #becomeReady(timeoutMs: number, program: string): Promise<void> {
    const startMs = this.#clock.nowMs();
    let pauseMs = pingPauseMsMin;
    const ended = this.#ended.then((how) => `it ended before it answered, ${how}`);
    for (;;) {
      const wrong = await Promise.race([this.#http.ping(pingTimeoutMs), ended]);
      if (wrong === null) break;
      const isLate = this.#clock.nowMs() - startMs >= timeoutMs;
      const isOver = await Promise.race([ended.then(() => true), this.#pause(isLate ? 0 : pauseMs).then(() => false)]);
      if (isOver || isLate) {
        const why = isOver ? await ended : `${wrong}, after ${Math.round(timeoutMs / 1000)} s`;
        throw new PlatformError('model_failed', this.#told(`${program} did not pass the ping health check: ${why}`));
      }
      pauseMs = Math.min(pauseMs * 1.5, pingPauseMsMax);
    }
    this.#isReady = true;
  }

  /** Only while it has nothing to do: one that takes one call at a time would answer late for a good reason. */
  #watch(onLost: (why: string) => void): void {
    this.#clock.after(healthEveryMs, () => {
      if (this.#isStopping) return;
      void this.#look(onLost).then(() => this.#watch(onLost));
    });
  }

  async #look(onLost: (why: string) => void): Promise<void> {
    if (this.#open > 0) return;
    const wrong = await this.#http.ping(pingTimeoutMs);
    this.#sick = wrong === null || this.#open > 0 ? 0 : this.#sick + 1;
    if (this.#sick === sickMax && !this.#isStopping) {
      onLost(`the process did not pass the ping health check ${sickMax} times: ${wrong}`);
    }
  }

  /** With the last lines that it printed. */
  #told(what: string): string {
    const lines = this.#log.toString();
    return lines === '' ? what : `${what}; its last lines:\n${lines}`;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

async function endOf(child: ChildProcess, pause: () => Promise<void>): Promise<string> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    await Promise.race([once(child, 'close'), pause()]);
    return signal === null ? `exit code ${code}` : `killed by ${signal}`;
  } catch (error) {
    return `it could not be started: ${messageOf(error)}`;
  }
}

/** What the contract sets cannot be set otherwise; the number of threads can. */
function environmentOf(spec: ProcessSpec, folder: string, port: number, threads: number): Record<string, string> {
  const inherited = inheritedNames.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    OMP_NUM_THREADS: String(threads),
    SM_NUM_CPUS: String(threads),
    ...spec.environment,
    SAGEMAKER_BIND_TO_PORT: String(port),
    SAGEMAKER_BASE_DIR: spec.directory,
    SM_MODEL_DIR: folder,
    [spec.mark.name]: spec.mark.value,
  };
}

/** Nobody else is given it for a while: the system hands out free ports in no order. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
