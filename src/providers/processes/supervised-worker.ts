/**
 * Keeps one requested worker running: loads the model, checks it with one real inference and monitors it. If the worker ends, it is
 * restarted: at once the first time, then at growing intervals.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../../clock.ts';
import { defined } from '../../defined.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Random } from '../../random.ts';
import type { WorkerExit } from '../../records/index.ts';
import { isRunnable, type MissingModel, type ModelFiles, sampleInputs, type WorkerLink, WorkerLost } from '../../runtime/index.ts';
import { noArchive, type WatchedWorker } from '../disk/disk-watch.ts';
import type { FileUse } from '../disk/file-use.ts';
import { loadLimits } from '../load-limits.ts';
import type { WorkerSpec, WorkerState, WorkerView } from '../provider.ts';
import type { HangingStack } from '../python/hanging-stack.ts';
import type { ProcessTree } from './process-tree.ts';
import type { WorkerProcess } from './worker-process.ts';

/** After this many ends in a row, without `steadyMs` of readiness in between, the worker counts as failed. */
const crashesMax = 3;
const steadyMs = 10_000;
/** Load and first inference; the largest models take seconds. */
const startTimeoutMs = 120_000;
const missingRetryMs = 30_000;
/** A worker with one model runs it by plan 0. */
const wholeModel = { first: 0, second: null };
/** The archive was validated at registration. */
const unpackedBytesMax = Number.MAX_SAFE_INTEGER;
/** An idle worker answers in microseconds, or in milliseconds after a garbage collection. */
const answerTimeoutMs = 10_000;
/** A process without a model takes 80 MiB with onnxruntime. A lower ceiling would end every worker. */
const ceilingMiBMin = 192;
/** Maximum length of the last output in an event. */
const lastLinesMax = 2000;

/** Delay before the next attempt after `crashes` ends in a row: none, 0.5 s, doubling, at most 30 s. */
export function restartDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(500 * 2 ** (crashes - 2), 30_000);
}

/** The model as operators see it. */
function shownName({ modelName, displayName = modelName }: WorkerSpec): string {
  return displayName;
}

/** The files of a worker's models on this machine. */
export interface FetchedModels {
  /** By position; null for one that is damaged. */
  readonly files: readonly (ModelFiles | null)[];
  /** Only of a worker that serves without them. */
  readonly damaged: readonly MissingModel[];
}

/** What a supervised worker needs. Callbacks must not throw. */
export interface WorkerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  /** Before a process is requested: resolves to the files of its model and of the others of its plans, on this machine. */
  readonly fetchModels: () => Promise<FetchedModels>;
  readonly acquireProcess: () => Promise<WorkerProcess>;
  readonly changed: (view: WorkerView) => void;
  /** Called for each line that its processes print, with the requests that it belongs to, and with a line when an instance is ready and when a process has ended. */
  readonly onLine?: (line: string, requestIds?: readonly string[]) => void;
  /** Called each time a process ends. The exit is null if the end was requested or the worker had not been ready. */
  readonly ended?: (end: WorkerExit | null) => void;
  /** Called when a process is ready, with the time since it was requested. */
  readonly ready?: (process: WorkerProcess, ms: number) => void;
  /** Delay before the start; default none. */
  readonly startDelayMs?: number;
}

/** Exists until it is stopped, with or without a process. */
export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #around: WorkerDeps;
  readonly #startedAtMs: number;
  #state: WorkerState = 'starting';
  #process: WorkerProcess | null = null;
  /** The files of its model, then those of the others of its plans. */
  #models: FetchedModels = { files: [], damaged: [] };
  #attempt: Promise<void> = Promise.resolve();
  #cancelRetry: (() => void) | null = null;
  #cancelLoad: (() => void) | null = null;
  #restarts = 0;
  #crashes = 0;
  #reason: string | null = null;
  /** Why the server ended the process; replaces "killed by SIGKILL". */
  #killReason: string | null = null;
  /** Pending while a process that hangs is ended. */
  #hanging: Promise<void> | null = null;
  /** Where its run hung. */
  #stack: HangingStack | null = null;
  /** Whether it ended or failed to load because of its memory limit. */
  #isTooLarge = false;
  #readyAtMs: number | null = null;
  #readySinceMs: number | null = null;
  #requestedAtMs: number | null = null;
  /** Null while it is unpacked. */
  #archive: FileUse | null = null;
  #isStopping = false;
  /** Whether it ended before it was stopped. */
  #isLost = false;

  constructor(spec: WorkerSpec, around: WorkerDeps) {
    this.spec = spec;
    this.#around = around;
    this.#startedAtMs = around.clock.wallMs();
    const { startDelayMs = 0, clock } = around;
    const begin = (): void => {
      this.#attempt = this.#try();
    };
    if (startDelayMs === 0) begin();
    else this.#cancelRetry = clock.after(startDelayMs, begin);
  }

  get link(): WorkerLink | null {
    return this.#state === 'ready' ? (this.#process?.link ?? null) : null;
  }

  /** A snapshot, but for memory and processor time, which are read when they are asked for. */
  view(): WorkerView {
    const rssBytes = (): number | null => this.#process?.rssBytes() ?? null;
    return {
      spec: this.spec,
      state: this.#state,
      pid: this.#process?.pid ?? null,
      get rssBytes() {
        return rssBytes();
      },
      cpuMs: () => this.#process?.cpuMs() ?? null,
      restarts: this.#restarts,
      reason: this.#reason,
      startedAtMs: this.#startedAtMs,
      readyAtMs: this.#readyAtMs,
    };
  }

  /** Ends the process because it hangs; its end starts the next. A Python worker shows its stack before. */
  restart(reason: string): void {
    const process = this.#process;
    if (process === null || this.#isStopping || this.#hanging !== null) return;
    this.#killReason ??= reason;
    this.#hanging = process.killHanging().then((stack) => {
      if (process !== this.#process) return;
      this.#stack = stack;
      if (stack !== null && stack.place !== null) this.#killReason = `${this.#killReason}: it was in ${stack.place}`;
    });
  }

  /** Resolves when none of its processes is left. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelRetry?.();
    this.#cancelLoad?.();
    if (this.#hanging !== null) await this.#hanging;
    await this.#process?.stop();
    await this.#attempt;
  }

  /** For the disk watch; null while none of the model's code runs. */
  get watched(): WatchedWorker | null {
    const process = this.#process;
    const archive = this.spec.process === undefined ? noArchive : this.#archive;
    if (process === null || archive === null || this.#isStopping) return null;
    const end = (reason: string): void => {
      if (process !== this.#process) return;
      this.#killReason ??= reason;
      process.kill();
    };
    return { id: this.spec.id, written: process.written, archive, end };
  }

  /** Called periodically: checks whether it still answers and whether it has grown too large. */
  check(): void {
    const process = this.#process;
    if (process === null || this.#isStopping) return;
    const ceilingMiB = Math.max(this.spec.memoryMiB, ceilingMiBMin);
    const rssMiB = (process.rssBytes() ?? 0) / 1024 ** 2;
    if (this.spec.memoryMiB > 0 && rssMiB > ceilingMiB && !process.isMemoryHeld) {
      this.#isTooLarge = true;
      this.#killReason ??= `it used ${Math.round(rssMiB)} MiB of memory, more than the ${ceilingMiB} MiB of ${this.spec.instanceType}`;
      process.kill();
      return;
    }
    if (this.#state !== 'ready') return;
    const nowMs = this.#around.clock.nowMs();
    if (this.#requestedAtMs !== null && nowMs - this.#requestedAtMs > answerTimeoutMs) {
      this.restart(`it did not answer for ${answerTimeoutMs / 1000} s while no run was open`);
    } else if (this.#requestedAtMs === null && process.link.runsOpen === 0) {
      // Pinged only while idle: calls are answered in order, so a later run cannot delay this answer.
      this.#requestedAtMs = nowMs;
      const answered = () => {
        this.#requestedAtMs = null;
      };
      process.link.status().then(answered, answered);
    }
  }

  async #try(): Promise<void> {
    this.#cancelRetry = null;
    const { process: command, artifact } = this.spec;
    const dataBytes = (artifact.data ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
    const timeoutMs =
      command === undefined ? loadLimits(dataBytes, startTimeoutMs).timeoutMs : command.unpackTimeoutMs + command.startTimeoutMs;
    const requestedMs = this.#around.clock.nowMs();
    let cancel = (): void => {};
    try {
      this.#models = await this.#around.fetchModels();
      if (this.#isStopping) return;
      // Not earlier: a large model may take longer to arrive than to load.
      cancel = this.#around.clock.after(timeoutMs, () => this.restart(`it was not ready within ${timeoutMs / 1000} s`));
      const process = await this.#around.acquireProcess();
      if (this.#isStopping) return await process.stop();
      this.#process = process;
      process.onLine((line, requestIds) => this.#around.onLine?.(line, requestIds));
      process.link.onClose(() => {
        this.#isLost = this.#hanging !== null || !this.#isStopping;
      });
      void process.ended.then((why) => this.#ended(why));
      await this.#makeReady(process);
      if (this.#state === 'ready') this.#around.ready?.(process, this.#around.clock.nowMs() - requestedMs);
    } catch (error) {
      this.#couldNotStart(error);
    } finally {
      cancel();
    }
  }

  async #makeReady(process: WorkerProcess): Promise<void> {
    const { memoryMiB, kind, vcpuMax } = this.spec;
    await process.limitMemory(memoryMiB);
    if (kind === 'function' || vcpuMax !== null || process.tree !== null) process.holdMemory(memoryMiB);
    if (process.tree === null || this.spec.python !== undefined) await this.#loadModel(process.link);
    else await this.#startCommand(process, process.tree);
    if (this.#isStopping || process !== this.#process) return;
    // Not earlier: throttling the start would delay waiting requests, most of all for small functions.
    if (vcpuMax !== null) process.limitCpu(vcpuMax);
    this.#state = 'ready';
    this.#readyAtMs = this.#around.clock.wallMs();
    this.#readySinceMs = this.#around.clock.nowMs();
    this.#requestedAtMs = null;
    // Not for functions, which start and end often: each would create a log stream with no other line.
    if (kind === 'instance') this.#around.onLine?.(`(the worker is ready: ${shownName(this.spec)})`);
    this.#around.changed(this.view());
    this.#retryMissing(process);
  }

  /** Models of a ladder that could not be loaded are tried again while no run is open. */
  #retryMissing(process: WorkerProcess): void {
    const { missing } = process.link;
    const [first] = missing.found;
    if (first === undefined || this.#isStopping || process !== this.#process) return;
    this.#around.log.warn(
      { worker: this.spec.id, error: first.reason },
      'a model of the plans could not be loaded: plans without it serve',
    );
    this.#cancelLoad = this.#around.clock.after(missingRetryMs, () => {
      const again = (): void => this.#retryMissing(process);
      if (process.link.runsOpen > 0) again();
      else
        void this.#around
          .fetchModels()
          .then((fetched) => missing.retry(fetched))
          .then(again, again);
    });
  }

  async #loadModel(link: WorkerLink): Promise<void> {
    const { threads, id, python, plans } = this.spec;
    const name = shownName(this.spec);
    const { files, damaged } = this.#models;
    const [model, ...others] = files.map((each) => each ?? { path: '' });
    assert(model !== undefined, 'the files of the model were fetched');
    const { data = [] } = model;
    const loaded =
      plans === undefined
        ? {}
        : {
            plans: {
              ...plans,
              others: plans.others.map(({ python: code }, i) => ({ ...(others[i] as ModelFiles), ...defined({ python: code }) })),
            },
          };
    const { signature } = await link.load({ path: model.path, data, threads, name, damaged, ...defined({ python }), ...loaded });
    if (python?.form === 'bytes' || python?.form === 'stream') return; // only its user knows valid requests
    const inputs = sampleInputs(signature, 1, this.#around.random).map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
    try {
      // Every plan: the first run of a model is slow.
      for (const [number, plan] of (plans?.plans ?? [wholeModel]).entries()) {
        if (isRunnable(plan, link.missing.found)) await link.run(inputs, [], number);
      }
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      // The model works but rejected the generated input. Only its user knows valid inputs.
      this.#around.log.info({ worker: id, error: error.message }, 'the model rejected the generated input of the readiness check');
    }
  }

  /** Resolves once the process passes its health check. No input is sent, because only its user knows valid inputs. */
  async #startCommand({ link, directory }: WorkerProcess, { mark }: ProcessTree): Promise<void> {
    const { modelName, threads, process: command } = this.spec;
    const [model] = this.#models.files;
    assert(model !== undefined && model !== null, 'the archive was fetched');
    assert(command !== undefined && directory !== null, 'a worker for a command needs a command and a directory');
    this.#archive = await link.unpack(model.path, directory, unpackedBytesMax);
    await link.load({ path: model.path, threads, name: modelName, process: { ...command, directory, mark } });
  }

  #couldNotStart(error: unknown): void {
    if (error instanceof WorkerLost || this.#isStopping) return; // reported by the end of the process
    // A running worker rejected the model, or none can be started: the next attempt will hardly succeed, unless something killed it.
    const wasKilled = error instanceof PlatformError && /\bkilled by SIG/.test(error.message);
    if (!wasKilled) this.#crashes = Math.max(this.#crashes, crashesMax - 1);
    this.#killReason ??= messageOf(error);
    this.#isTooLarge ||= /needs more memory/.test(messageOf(error));
    if (this.#process === null) this.#ended('');
    else this.#process.kill();
  }

  #ended(why: string): void {
    const { clock, log, changed } = this.#around;
    const wasSteady = this.#readySinceMs !== null && clock.nowMs() - this.#readySinceMs >= steadyMs;
    const didNotFit = this.#readySinceMs === null && (this.#isTooLarge || this.#process?.wasTooLarge === true);
    if (didNotFit) this.#crashes = Math.max(this.#crashes, crashesMax - 1); // the next attempt would fail too
    this.#crashes = wasSteady ? 1 : this.#crashes + 1;
    const delayMs = restartDelayMs(this.#crashes);
    const end = this.#abruptEnd(delayMs);
    this.#around.ended?.(end);
    // A pool gives up the environment of a function as soon as its link is lost.
    if (end !== null && this.#isStopping) this.#around.onLine?.(`(the worker ended: ${end.reason})`);
    this.#reason = this.#killReason ?? why;
    if (didNotFit) this.#reason = `the model did not fit into ${this.spec.memoryMiB} MiB: ${this.#reason}`;
    this.#killReason = null;
    this.#isTooLarge = false;
    this.#hanging = null;
    this.#stack = null;
    this.#process = null;
    this.#archive = null;
    this.#readyAtMs = null;
    this.#readySinceMs = null;
    if (this.#isStopping) return;
    this.#restarts++;
    this.#state = this.#crashes >= crashesMax ? 'failed' : 'starting';
    log.warn({ worker: this.spec.id, model: shownName(this.spec), reason: this.#reason, retryMs: delayMs }, 'a worker ended');
    this.#around.onLine?.(`(the worker ended: ${this.#reason}; restarting${delayMs === 0 ? '' : ` in ${delayMs / 1000} s`})`);
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#attempt = this.#attempt.then(() => this.#try());
    });
    changed(this.view());
  }
  /** Null if the end was requested or the worker had not been ready. */
  #abruptEnd(delayMs: number): WorkerExit | null {
    const process = this.#process;
    if (process === null || this.#readySinceMs === null || !this.#isLost) return null;
    const { id, endpoint, variant, kind, instanceType } = this.spec;
    const { code, signal } = process.exit;
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    return {
      worker: id,
      endpoint,
      variant,
      model: shownName(this.spec),
      executor: kind === 'function' ? instanceType : `instance:${instanceType}`,
      reason: this.#killReason ?? (process.wasTooLarge ? `it exceeded its memory limit of ${this.spec.memoryMiB} MiB` : how),
      exitCode: code,
      signal,
      lastLines: this.#stack?.lines.join('\n').slice(0, lastLinesMax) ?? process.lastLines.slice(-lastLinesMax),
      restartMs: this.#isStopping || kind === 'function' ? null : delayMs,
    };
  }
}
