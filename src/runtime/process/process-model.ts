/**
 * A model that is a command implementing the container contract: started with `serve`, ready once GET /ping answers 200, called by POST
 * /invocations, ended by SIGTERM. Its worker relays between it and the server and ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Payload, ProcessReply } from '../link/payload.ts';
import { bundleFolder } from '../worker-files.ts';
import { signalGroup } from './process-group.ts';
import { type InvokeOptions, ProcessHttp } from './process-http.ts';
import { ProcessLog } from './process-log.ts';

/** The program of a process model, and how it is run. */
export interface ProcessProgram {
  /** The program and its first arguments, followed by `serve`. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Maximum number of concurrent calls; further calls wait in the worker. */
  readonly concurrency: number;
  /** Time from its start within which GET /ping must have answered 200. */
  readonly startTimeoutMs: number;
}

/** How a worker starts its process. */
export interface ProcessSpec extends ProcessProgram {
  /** Created by the worker, removed by the provider. The archive is unpacked in `bundleFolder`. */
  readonly directory: string;
  /** An environment variable that identifies the process and its descendants. */
  readonly mark: { readonly name: string; readonly value: string };
}

const pingTimeoutMs = 2_000;
const pingPauseMsMin = 50;
const pingPauseMsMax = 1_000;
/** Interval of health checks of an idle process, and consecutive failures after which it counts as lost. */
const healthEveryMs = 5_000;
const sickMax = 3;
/** From SIGTERM to SIGKILL. */
const graceMs = 30_000;
/** After a broken connection, wait this long for the process to end: its end explains more than the connection does. */
const endsSoonMs = 500;
/** Time limit for reading its last output, because a child may hold the pipe open. */
const lastWordsMs = 200;

const never = new Promise<never>(() => undefined);

/** Environment variables of the worker that the process inherits. */
const inheritedNames = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH'];

export interface ProcessModelDeps {
  readonly clock: Clock;
  readonly threads: number;
  /** Called for each line the process printed. */
  readonly print: (line: string) => void;
  /** Called if the process ended by itself or stopped answering, after its output was passed on. */
  readonly onWorkerLost: (why: string) => void;
}

/** Started once. If its process ends by itself, the worker ends too. */
export class ProcessModel {
  readonly #clock: Clock;
  readonly #http: ProcessHttp;
  readonly #log: ProcessLog;
  /** How it ended: `exit code 1` or `killed by SIGKILL`. */
  readonly #ended: Promise<string>;
  #open = 0;
  /** Number of further calls that can start now, and the calls that wait. */
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #isStopping = false;
  #isReady = false;
  #unhealthy = 0;

  private constructor(child: ChildProcess, port: number, concurrency: number, { clock, print, onWorkerLost }: ProcessModelDeps) {
    this.#free = concurrency;
    this.#clock = clock;
    this.#http = new ProcessHttp(port);
    this.#log = new ProcessLog(() => clock.nowMs(), print);
    if (child.stdout !== null) this.#log.follow(child.stdout);
    if (child.stderr !== null) this.#log.follow(child.stderr);
    this.#ended = endOf(child, () => this.#pause(lastWordsMs));
    void this.#ended.then((how) => {
      if (this.#isReady && !this.#isStopping) onWorkerLost(`the process ended by itself: ${how}`);
    });
  }

  /**
   * Resolves once it answers. Its archive must have been unpacked. Throws `model_failed`. After an error the process may still run until
   * the group of its worker is ended.
   */
  static async start(spec: ProcessSpec, around: ProcessModelDeps): Promise<ProcessModel> {
    const folder = bundleFolder(spec.directory);
    const port = await freePort();
    const [program = '', ...words] = spec.command;
    const child = spawn(program, [...words, 'serve'], {
      cwd: folder,
      env: environmentOf(spec, folder, port, around.threads),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const model = new ProcessModel(child, port, spec.concurrency, around);
    await model.#becomeReady(spec.startTimeoutMs, program);
    model.#watch(around.onWorkerLost);
    return model;
  }

  /**
   * Calls the process, up to its concurrency; further calls wait. `onBegin` is called when the call starts. Throws `model_failed`. Never
   * settles if the process is ending: its worker ends too and reports the reason.
   */
  async invoke(payload: Payload, options: InvokeOptions, onBegin: () => void): Promise<ProcessReply> {
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

  async #invoke(payload: Payload, options: InvokeOptions): Promise<ProcessReply> {
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

  /** SIGTERM to the worker's whole group; resolves when the process has ended, or after the grace period. */
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
        throw new PlatformError('model_failed', this.#lastReported(`${program} did not pass the ping health check: ${why}`));
      }
      pauseMs = Math.min(pauseMs * 1.5, pingPauseMsMax);
    }
    this.#isReady = true;
  }

  /** Checks the health only while the process is idle: one that handles a call at a time would answer late without being broken. */
  #watch(onLost: (why: string) => void): void {
    this.#clock.after(healthEveryMs, () => {
      if (this.#isStopping) return;
      void this.#poll(onLost).then(() => this.#watch(onLost));
    });
  }

  async #poll(onLost: (why: string) => void): Promise<void> {
    if (this.#open > 0) return;
    const wrong = await this.#http.ping(pingTimeoutMs);
    this.#unhealthy = wrong === null || this.#open > 0 ? 0 : this.#unhealthy + 1;
    if (this.#unhealthy === sickMax && !this.#isStopping) {
      onLost(`the process did not pass the ping health check ${sickMax} times: ${wrong}`);
    }
  }

  /** Appends the last lines of its output to the message. */
  #lastReported(what: string): string {
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

/** Variables of the contract cannot be overridden; the number of threads can. */
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

/** A free local port. The system assigns free ports in random order, so another process is unlikely to take this one soon. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
