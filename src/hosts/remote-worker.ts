/** A worker on another host, as the home wants it and as the agent last reported it. */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { WorkerSpec, WorkerView } from '../providers/index.ts';
import type { WorkerReport, WorkerUsage } from './link/reports.ts';
import type { RemoteWorkerLink } from './remote-worker-link.ts';

/** Workers with equal digests are interchangeable: they differ in their ids only. 64 hexadecimal digits. */
export function specDigest(spec: WorkerSpec): string {
  const { id: _id, ...others } = spec;
  return canonicalDigest(others);
}

/** Two homes of one version make the same. */
export function canonicalDigest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** JSON with sorted members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  );
}

/** What the home has told the agent of a worker. */
export interface RemoteWorkerOptions {
  readonly spec: WorkerSpec;
  readonly digest: string;
  /** Its name on its host. An adopted worker keeps the one that an earlier home gave. */
  readonly key: string;
  readonly host: { readonly name: string; readonly zone: string };
  readonly clock: Clock;
}

/** Exists from the placement of a worker until it is stopped or placed elsewhere. */
export class RemoteWorker {
  readonly spec: WorkerSpec;
  readonly digest: string;
  readonly key: string;
  readonly #options: RemoteWorkerOptions;
  readonly #startedAtMs: number;
  #report: WorkerReport | null = null;
  #reportedAtMs: number;
  /** Why there is no current report; null if there is one, or none yet. */
  #reason: string | null = null;
  #hasFailed = false;
  #usage: WorkerUsage | null = null;
  link: RemoteWorkerLink | null = null;

  constructor(options: RemoteWorkerOptions) {
    this.#options = options;
    ({ spec: this.spec, digest: this.digest, key: this.key } = options);
    this.#startedAtMs = options.clock.wallMs();
    this.#reportedAtMs = this.#startedAtMs;
  }

  /** The number of its link on its host; 0 if it is not ready or not reachable. */
  get linkNumber(): number {
    return this.link === null ? 0 : (this.#report?.link ?? 0);
  }

  /** `link`: null unless it is ready. */
  reported(report: WorkerReport, link: RemoteWorkerLink | null): void {
    if (this.#hasFailed) return;
    this.#report = report;
    this.#reportedAtMs = this.#options.clock.wallMs();
    this.#reason = null;
    this.link = link;
  }

  measured(usage: WorkerUsage): void {
    this.#usage = usage;
  }

  /** Its host is not linked, or does not have it. */
  unreachable(reason: string): void {
    this.#reason = reason;
    this.link = null;
  }

  /** It ends, and will not be started again under its id. */
  fail(reason: string): void {
    this.#hasFailed = true;
    this.unreachable(reason);
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  view(): WorkerView {
    const report = this.#report;
    const isKnown = report !== null && this.#reason === null;
    const state = this.#hasFailed
      ? 'failed'
      : !isKnown
        ? 'starting'
        : report.state === 'ready' && this.link === null
          ? 'starting'
          : report.state;
    return {
      spec: this.spec,
      state,
      pid: isKnown ? report.pid : null,
      rssBytes: isKnown ? (this.#usage?.rssBytes ?? null) : null,
      cpuMs: () => this.#usage?.cpuMs ?? null,
      restarts: report?.restarts ?? 0,
      reason: this.#reason ?? report?.reason ?? null,
      startedAtMs: report === null ? this.#startedAtMs : this.#reportedAtMs - report.ageMs,
      readyAtMs: state === 'ready' && report !== null && report.readyMs !== null ? this.#reportedAtMs - report.readyMs : null,
      host: this.#options.host,
    };
  }
}
