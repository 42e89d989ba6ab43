/** The workers of a host, over all links of its agent: what runs, under which keys, and what changed. */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { LocalProvider, WorkerSpec, WorkerView } from '../../providers/index.ts';
import type { WorkerExit } from '../../records/index.ts';
import type { WorkerLink } from '../../runtime/index.ts';
import type { WorkerReport, WorkerUsage } from '../link/reports.ts';
import { OutputBuffer, type OutputEvent } from './output-buffer.ts';

/** What the agent needs of the provider of its machine. */
export type AgentProvider = Pick<LocalProvider, 'start' | 'stop' | 'list' | 'link' | 'restart' | 'onChange' | 'onEnded' | 'warmWorkers'>;

/** Receives what happens to workers; that of the current link, if there is one. */
export interface AgentListener {
  readonly onReport: (report: WorkerReport) => void;
  readonly onEnded: (key: string, exit: WorkerExit | null) => void;
  /** `ageMs`: since it was printed. */
  readonly onLine: (key: string, line: string, requestIds: readonly string[], ageMs: number) => void;
  /** Whether lines can be sent now. */
  readonly canTakeLines: () => boolean;
}

/** While a link is slow: how often it is asked to take what is kept. */
const sendBufferedEveryMs = 50;

export interface AgentWorkersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: AgentProvider;
  /** What the workers and tasks of this host may hold together. */
  readonly memoryMiB: number;
  /** What its tasks hold; default nothing. */
  readonly tasksMiB?: () => number;
}

/** A worker that the home has started, with its current link. */
export interface AgentWorker {
  readonly spec: WorkerSpec;
  readonly digest: string;
  link: WorkerLink | null;
  /** Of its link, unique on this host; 0 without one. */
  linkNumber: number;
  missing: number;
}

/** A ready worker. */
export interface LinkedAgentWorker {
  readonly spec: WorkerSpec;
  readonly link: WorkerLink;
}

export class AgentWorkers {
  readonly #deps: AgentWorkersDeps;
  readonly #workers = new Map<string, AgentWorker>();
  readonly #byLink = new Map<number, AgentWorker>();
  #links = 0;
  #listener: AgentListener | null = null;
  readonly #buffer = new OutputBuffer();
  /** Workers that the home of the listener knows, so that it takes what they print. */
  readonly #claimed = new Set<string>();
  #isSending = false;

  constructor(deps: AgentWorkersDeps) {
    this.#deps = deps;
    deps.provider.onChange((view) => this.#changed(view));
    deps.provider.onEnded((key, exit) => {
      if (this.#workers.has(key)) this.#put(key, { kind: 'exit', exit, atMs: deps.clock.nowMs() });
    });
  }

  get keys(): readonly string[] {
    return [...this.#workers.keys()];
  }

  get size(): number {
    return this.#workers.size;
  }

  /** What its workers may hold together. */
  get heldMiB(): number {
    return [...this.#workers.values()].reduce((sum, worker) => sum + worker.spec.memoryMiB, 0);
  }

  /** SHA-256 of all files that its workers load. */
  get artifacts(): ReadonlySet<string> {
    const models = [...this.#workers.values()].flatMap(({ spec }) => [spec.artifact, ...(spec.plans?.others ?? [])]);
    return new Set(models.flatMap((model) => [model.sha256, ...(model.data ?? []).map(({ sha256 }) => sha256)]));
  }

  /** Keys of the Python environments of its workers. */
  get environments(): ReadonlySet<string> {
    return new Set([...this.#workers.values()].flatMap(({ spec }) => spec.python?.environment.lock ?? []));
  }

  /** Replaces the listener. Null: the link has ended. */
  listen(listener: AgentListener | null): void {
    this.#listener = listener;
    this.#claimed.clear();
  }

  /** The home of the listener knows these workers: it is sent what they print from now on, and first what was kept. */
  claim(keys: readonly string[]): void {
    for (const key of keys) if (this.#workers.has(key)) this.#claimed.add(key);
    this.#sendBuffered();
  }

  /** Undefined if its process has ended since. */
  byLink(number: number): LinkedAgentWorker | undefined {
    const worker = this.#byLink.get(number);
    return worker === undefined || worker.link === null ? undefined : { spec: worker.spec, link: worker.link };
  }

  /** For each worker, in the order of their starts. */
  reports(): readonly WorkerReport[] {
    return this.#deps.provider.list().flatMap((view) => {
      const worker = this.#workers.get(view.spec.id);
      return worker === undefined ? [] : [this.#reportOf(view, worker)];
    });
  }

  /** Started workers without a model. */
  get warmWorkers(): number {
    return this.#deps.provider.warmWorkers;
  }

  usage(): readonly WorkerUsage[] {
    return this.#deps.provider.list().flatMap(({ spec, rssBytes, cpuMs }) => {
      const worker = this.#workers.get(spec.id);
      return worker === undefined || worker.link === null ? [] : [{ key: spec.id, rssBytes, cpuMs: cpuMs?.() ?? null }];
    });
  }

  /** Starting the same key again changes nothing. Rejects with `unavailable` if its memory is not free here, or if the agent is closing. */
  async start(key: string, digest: string, spec: WorkerSpec): Promise<void> {
    if (this.#workers.has(key)) return;
    const { memoryMiB, provider } = this.#deps;
    const heldMiB = this.heldMiB + (this.#deps.tasksMiB?.() ?? 0);
    if (heldMiB + spec.memoryMiB > memoryMiB) {
      const free = Math.max(0, memoryMiB - heldMiB);
      throw new PlatformError(
        'unavailable',
        `the host has ${free} MiB of ${memoryMiB} MiB free for workers, but it needs ${spec.memoryMiB} MiB`,
      );
    }
    this.#workers.set(key, { spec, digest, link: null, linkNumber: 0, missing: 0 });
    if (this.#listener !== null) this.#claimed.add(key);
    try {
      await provider.start({ ...spec, id: key });
    } catch (error) {
      this.#workers.delete(key);
      this.#claimed.delete(key);
      this.#buffer.forget(key);
      throw error;
    }
  }

  /** Resolves when its process has ended. Ignores unknown keys. */
  async stop(key: string): Promise<void> {
    const worker = this.#workers.get(key);
    if (worker === undefined) return;
    this.#workers.delete(key);
    this.#claimed.delete(key);
    this.#buffer.forget(key);
    this.#byLink.delete(worker.linkNumber);
    await this.#deps.provider.stop(key);
  }

  restart(key: string, reason: string): void {
    if (this.#workers.has(key)) this.#deps.provider.restart(key, reason);
  }

  /** Resolves when no worker runs. */
  async stopAll(reason: string): Promise<void> {
    if (this.#workers.size > 0) this.#deps.log.warn({ workers: this.#workers.size, reason }, 'all workers of this host are stopped');
    const stop = (key: string): Promise<void> =>
      this.stop(key).catch((error: unknown) => this.#deps.log.warn({ worker: key, error: messageOf(error) }, 'failed to stop a worker'));
    await Promise.all(this.keys.map(stop));
  }

  /** A line of a worker. */
  printed(key: string, line: string, requestIds: readonly string[]): void {
    if (this.#workers.has(key)) this.#put(key, { kind: 'line', line, requestIds, atMs: this.#deps.clock.nowMs() });
  }

  /** Sends it, or keeps it for later: nothing overtakes what is kept. */
  #put(key: string, event: OutputEvent): void {
    if (this.#claimed.has(key) && !this.#buffer.has(key) && this.#listener?.canTakeLines() === true) return this.#send(key, event);
    this.#buffer.add(key, event);
    if (!this.#isSending && this.#claimed.has(key)) this.#sendBuffered();
  }

  #send(key: string, event: OutputEvent): void {
    if (event.kind === 'exit') this.#listener?.onEnded(key, event.exit);
    else this.#listener?.onLine(key, event.line, event.requestIds, this.#deps.clock.nowMs() - event.atMs);
  }

  #sendBuffered(): void {
    const { clock } = this.#deps;
    this.#isSending = false;
    for (const key of this.#claimed) {
      while (this.#listener?.canTakeLines() === true) {
        const event = this.#buffer.take(key, clock.nowMs());
        if (event === null) break;
        this.#send(key, event);
      }
    }
    if (this.#listener === null || !this.#claimed.values().some((key) => this.#buffer.has(key))) return;
    this.#isSending = true;
    clock.after(sendBufferedEveryMs, () => this.#sendBuffered());
  }

  /** Reports workers of which a missing model was loaded meanwhile. */
  reportLoaded(): void {
    for (const view of this.#deps.provider.list()) {
      const worker = this.#workers.get(view.spec.id);
      const count = worker?.link?.missing.found.length;
      if (count !== undefined && count !== worker?.missing) this.#changed(view);
    }
  }

  #changed(view: WorkerView): void {
    const worker = this.#workers.get(view.spec.id);
    if (worker === undefined) return;
    const report = this.#reportOf(view, worker);
    this.#listener?.onReport(report);
  }

  #reportOf(view: WorkerView, worker: AgentWorker): WorkerReport {
    const { provider, clock } = this.#deps;
    const key = view.spec.id;
    const link = view.state === 'ready' ? provider.link(key) : null;
    if (link !== worker.link) {
      this.#byLink.delete(worker.linkNumber);
      worker.link = link;
      worker.linkNumber = link === null ? 0 : ++this.#links;
      if (link !== null) this.#byLink.set(worker.linkNumber, worker);
    }
    const missing = link?.missing.found ?? [];
    worker.missing = missing.length;
    return {
      key,
      digest: worker.digest,
      state: view.state,
      link: worker.linkNumber,
      pid: view.pid,
      restarts: view.restarts,
      reason: view.reason,
      ageMs: Math.max(0, clock.wallMs() - view.startedAtMs),
      readyMs: view.readyAtMs === null ? null : Math.max(0, clock.wallMs() - view.readyAtMs),
      signature: link?.signature ?? null,
      missing,
    };
  }
}
