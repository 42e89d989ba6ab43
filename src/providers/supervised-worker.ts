/**
 * One wished worker, kept alive: loads the model, asks it for one real inference, watches it, and starts another when
 * it ends - at once the first time, then after growing intervals.
 */
import assert from 'node:assert/strict';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Log, WorkerEnd } from '../monitoring/index.ts';
import type { Random } from '../random.ts';
import { sampleInputs, WorkerGone, type WorkerLink } from '../runtime/index.ts';
import type { ProcessTree } from './process-tree.ts';
import type { WorkerSpec, WorkerState, WorkerView } from './provider.ts';
import type { WorkerProcess } from './worker-process.ts';

/** So many ends in a row, without having been ready for `steadyMs` in between, and the worker counts as failed. */
const crashesMax = 3;
const steadyMs = 10_000;
/** Load and first inference; the largest models take seconds. */
const startTimeoutMs = 120_000;
/** An archive was looked through when it was registered. */
const unpackedBytesMax = Number.MAX_SAFE_INTEGER;
/** An idle worker answers in microseconds, after a garbage collection in milliseconds. */
const answerTimeoutMs = 10_000;
/** The bare process with onnxruntime takes 80 MiB: a ceiling below this would end every worker. */
const ceilingMiBMin = 192;
/** Of what it printed last, an event has so much. */
const lastLinesMax = 2000;

/** How long to wait before the next try after so many ends in a row: none, 0.5 s, doubling, at most 30 s. */
export function restartDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(500 * 2 ** (crashes - 2), 30_000);
}

export interface WorkerSurroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly take: () => Promise<WorkerProcess>;
  readonly changed: (view: WorkerView) => void;
  /** Told of each line that its processes print, that an instance is ready, and of how each of them ended. */
  readonly heard?: (line: string) => void;
  /** Told of each end of a process; null where it was asked for, or had not been ready. */
  readonly ended?: (end: WorkerEnd | null) => void;
  /** It is not begun with before so long has passed; nothing unless given. */
  readonly startDelayMs?: number;
}

export class SupervisedWorker {
  readonly spec: WorkerSpec;
  readonly #around: WorkerSurroundings;
  readonly #startedAtMs: number;
  #state: WorkerState = 'starting';
  #process: WorkerProcess | null = null;
  #attempt: Promise<void> = Promise.resolve();
  #cancelRetry: (() => void) | null = null;
  #restarts = 0;
  #crashes = 0;
  #reason: string | null = null;
  /** Why we ended the process ourselves; takes the place of "killed by SIGKILL". */
  #killReason: string | null = null;
  /** That it ends, or does not load, because of the memory that it needs. */
  #isTooLarge = false;
  #readyAtMs: number | null = null;
  #readySinceMs: number | null = null;
  #askedAtMs: number | null = null;
  #isStopping = false;
  /** It had gone before it was asked to. */
  #isLost = false;

  constructor(spec: WorkerSpec, around: WorkerSurroundings) {
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

  /** Ends the process at once; its end starts the next. */
  restart(reason: string): void {
    if (this.#process === null || this.#isStopping) return;
    this.#killReason ??= reason;
    this.#process.kill();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelRetry?.();
    await this.#process?.stop();
    await this.#attempt;
  }

  /** Called every now and then: does it still answer, and has it grown too large? */
  check(): void {
    const process = this.#process;
    if (process === null || this.#isStopping) return;
    const ceilingMiB = Math.max(this.spec.memoryMiB, ceilingMiBMin);
    const rssMiB = (process.rssBytes() ?? 0) / 1024 ** 2;
    if (this.spec.memoryMiB > 0 && rssMiB > ceilingMiB && !process.isMemoryHeld) {
      this.#isTooLarge = true;
      this.restart(`it took ${Math.round(rssMiB)} MiB of memory, more than the ${ceilingMiB} MiB of ${this.spec.instanceType}`);
      return;
    }
    if (this.#state !== 'ready') return;
    const nowMs = this.#around.clock.nowMs();
    if (this.#askedAtMs !== null && nowMs - this.#askedAtMs > answerTimeoutMs) {
      this.restart(`it did not answer for ${answerTimeoutMs / 1000} s while no run was open`);
    } else if (this.#askedAtMs === null && process.link.runsOpen === 0) {
      // Asked only while idle: calls are answered in order, so that a run sent afterwards cannot delay this answer.
      this.#askedAtMs = nowMs;
      const answered = () => {
        this.#askedAtMs = null;
      };
      process.link.status().then(answered, answered);
    }
  }

  async #try(): Promise<void> {
    this.#cancelRetry = null;
    const { process: command } = this.spec;
    const timeoutMs = command === undefined ? startTimeoutMs : command.unpackTimeoutMs + command.startTimeoutMs;
    const cancel = this.#around.clock.after(timeoutMs, () => this.restart(`it was not ready within ${timeoutMs / 1000} s`));
    try {
      const process = await this.#around.take();
      if (this.#isStopping) return await process.stop();
      this.#process = process;
      process.hear((line) => this.#around.heard?.(line));
      process.link.onClose(() => {
        this.#isLost = !this.#isStopping;
      });
      void process.ended.then((why) => this.#ended(why));
      await this.#makeReady(process);
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
    if (process.tree === null) await this.#loadModel(process.link);
    else await this.#startCommand(process.link, process.tree);
    if (this.#isStopping || process !== this.#process) return;
    // From now on: a start that is held back would make those wait who caused it, and the more so the smaller the function.
    if (vcpuMax !== null) process.limitCpu(vcpuMax);
    this.#state = 'ready';
    this.#readyAtMs = this.#around.clock.wallMs();
    this.#readySinceMs = this.#around.clock.nowMs();
    this.#askedAtMs = null;
    // Functions come and go: each would leave a stream with nothing else in it.
    if (kind === 'instance') this.#around.heard?.(`(the worker is ready: ${this.spec.modelName})`);
    this.#around.changed(this.view());
  }

  async #loadModel(link: WorkerLink): Promise<void> {
    const { modelPath, modelName, threads, id } = this.spec;
    const { signature } = await link.load({ path: modelPath, threads, name: modelName });
    const inputs = sampleInputs(signature, 1, this.#around.random).map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));
    try {
      await link.run(inputs);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      // The model works but did not like what we made up: only its user knows what it takes.
      this.#around.log.info({ worker: id, error: error.message }, 'the model refused the made-up input of the readiness check');
    }
  }

  /** It is ready once it answers its health check: only its user knows what else it answers. */
  async #startCommand(link: WorkerLink, { directory, mark }: ProcessTree): Promise<void> {
    const { modelPath, modelName, threads, process: command } = this.spec;
    assert(command !== undefined, 'a worker of that kind is taken for a command');
    await link.load({ path: modelPath, threads, name: modelName, process: { ...command, directory, mark, unpackedBytesMax } });
  }

  #couldNotStart(error: unknown): void {
    if (error instanceof WorkerGone || this.#isStopping) return; // its end is told by the process
    // A live worker refused the model, or none can be started at all: the next try will hardly do better.
    this.#crashes = Math.max(this.#crashes, crashesMax - 1);
    this.#killReason ??= messageOf(error);
    this.#isTooLarge ||= /needs more memory/.test(messageOf(error));
    if (this.#process === null) this.#ended('');
    else this.#process.kill();
  }

  #ended(why: string): void {
    const { clock, log, changed } = this.#around;
    const wasSteady = this.#readySinceMs !== null && clock.nowMs() - this.#readySinceMs >= steadyMs;
    const didNotFit = this.#readySinceMs === null && (this.#isTooLarge || this.#process?.wasTooLarge === true);
    if (didNotFit) this.#crashes = Math.max(this.#crashes, crashesMax - 1); // nor will it the next time
    this.#crashes = wasSteady ? 1 : this.#crashes + 1;
    const delayMs = restartDelayMs(this.#crashes);
    this.#around.ended?.(this.#abruptEnd(delayMs));
    this.#reason = this.#killReason ?? why;
    if (didNotFit) this.#reason = `the model did not fit into ${this.spec.memoryMiB} MiB: ${this.#reason}`;
    this.#killReason = null;
    this.#isTooLarge = false;
    this.#process = null;
    this.#readyAtMs = null;
    this.#readySinceMs = null;
    if (this.#isStopping) return;
    this.#restarts++;
    this.#state = this.#crashes >= crashesMax ? 'failed' : 'starting';
    log.warn({ worker: this.spec.id, model: this.spec.modelName, reason: this.#reason, retryMs: delayMs }, 'a worker ended');
    this.#around.heard?.(`(the worker ended: ${this.#reason}; it is started again${delayMs === 0 ? '' : ` in ${delayMs / 1000} s`})`);
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#attempt = this.#attempt.then(() => this.#try());
    });
    changed(this.view());
  }
  /** null where it was asked to end, or had not been ready. */
  #abruptEnd(delayMs: number): WorkerEnd | null {
    const process = this.#process;
    if (process === null || this.#readySinceMs === null || !this.#isLost) return null;
    const { id, endpoint, variant, modelName, kind, instanceType } = this.spec;
    const { code, signal } = process.exit;
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    return {
      worker: id,
      endpoint,
      variant,
      model: modelName,
      executor: kind === 'function' ? instanceType : `instance:${instanceType}`,
      reason: this.#killReason ?? (process.wasTooLarge ? `it needed more than its memory limit of ${this.spec.memoryMiB} MiB` : how),
      exitCode: code,
      signal,
      lastLines: process.lastLines.slice(-lastLinesMax),
      restartMs: this.#isStopping || kind === 'function' ? null : delayMs,
    };
  }
}
