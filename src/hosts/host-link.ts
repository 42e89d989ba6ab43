/** The home's end of one connection of a host: sends commands and runs, and takes what the agent reports. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { asPlatformError } from '../errors.ts';
import type { MeasuredLink } from '../links/index.ts';
import { type Frame, failureOf, kinds, malformedFrame } from '../runtime/index.ts';
import type { SentArchive } from './agent/agent-link.ts';
import { HostCalls } from './host-calls.ts';
import { HostChannel } from './link/host-channel.ts';
import { hostKinds, jsonFrame } from './link/host-frames.ts';
import { RangeAnswers, type ReadRange } from './link/object-ranges.ts';
import { type ObjectQuery, readCopies, readObjectQuery, readWrongBytes } from './link/peer-messages.ts';
import {
  cutText,
  fieldsOf,
  type HostExit,
  numberOf,
  readExit,
  readKeys,
  readLine,
  readReport,
  readUsage,
  readWarmWorkers,
  type WorkerReport,
  type WorkerUsage,
} from './link/reports.ts';
import { readTaskIds, readTaskReport, readTaskUsage, type TaskReport, type TaskUsage } from './link/task-messages.ts';

/** An agent reads 16 ranges at once: of four objects, four each. Those that it has read may still count here for a moment. */
const rangesMax = 32;
/** An agent asks about each object that it fetches, one thing at a time. */
const queriesMax = 32;
/** An agent makes one environment at a time, and may ask again over a new link. */
const archivesMax = 4;

/** What the home does with reports. Callbacks may throw if what is reported is malformed: the link ends. */
export interface HostLinkDeps {
  readonly clock: Clock;
  readonly epoch: number;
  readonly onReport: (report: WorkerReport) => void;
  /** All workers were reported: these, by their keys. */
  readonly onWorkers: (keys: ReadonlySet<string>) => void;
  readonly onUsage: (usage: readonly WorkerUsage[], warmWorkers: number) => void;
  readonly onTask: (report: TaskReport) => void;
  /** All tasks were reported: these. */
  readonly onTasks: (ids: ReadonlySet<string>) => void;
  readonly onTaskUsage: (usage: readonly TaskUsage[]) => void;
  readonly onExit: (key: string, exit: HostExit | null) => void;
  /** `ageMs`: since it was printed. */
  readonly onLine: (key: string, line: string, requestIds: readonly string[], ageMs: number) => void;
  /** The host stops after this time. */
  readonly onLeaving: (withinMs: number) => void;
  readonly onEnd: (why: string) => void;
  /** Reads an object that a worker of this host loads. Rejects with `forbidden` for others. */
  readonly readRange: (sha256: string, start: number) => Promise<ReadRange>;
  /** The archive of the environment of a worker of this host. Rejects with `forbidden` for others. */
  readonly archiveOf: (lock: string) => Promise<SentArchive>;
  /** Answers a request about an object. Rejects as `readRange`. */
  readonly onObjectQuery: (query: ObjectQuery) => Promise<object>;
  /** The objects that the host can send to others. */
  readonly onCopies: (copies: ReadonlySet<string>) => void;
  /** Another host has sent it wrong bytes. */
  readonly onWrongBytes: (host: string, sha256: string) => void;
}

/** The longest notice of a host that stops. */
const leavingMsMax = 3_600_000;

export class HostLink {
  readonly calls: HostCalls;
  readonly #deps: HostLinkDeps;
  readonly #channel: HostChannel;
  readonly #ranges: RangeAnswers;
  #queries = 0;
  #archives = 0;

  /** `socket`: connected, introduced and paused. */
  constructor(socket: Duplex, deps: HostLinkDeps) {
    this.#deps = deps;
    this.#channel = new HostChannel(socket, {
      clock: deps.clock,
      measures: true,
      onFrame: (frame) => this.#take(frame),
      onEnd: (why) => {
        this.calls.end(why);
        this.#ranges.end();
        deps.onEnd(why);
      },
    });
    this.calls = new HostCalls(this.#channel);
    this.#ranges = new RangeAnswers({ channel: this.#channel, openMax: rangesMax, read: (sha256, start) => deps.readRange(sha256, start) });
    this.#channel.send(0, jsonFrame(0, hostKinds.welcome, { epoch: deps.epoch, claims: true, peers: true, tasks: true }));
  }

  /** Since the last byte of the agent. */
  get silentMs(): number {
    return this.#channel.silentMs;
  }

  /** Its round trips; null before the first one. */
  get measured(): MeasuredLink | null {
    return this.#channel.measured;
  }

  /** Resolves when the agent has done it. Rejects with its error, and with `WorkerLost` if the link ends. */
  command(message: object): Promise<unknown> {
    return this.calls.command({ ...message, epoch: this.#deps.epoch });
  }

  /** As `HostCalls.commandBytes`. */
  commandBytes(message: object, bytesMax: number): ReturnType<HostCalls['commandBytes']> {
    return this.calls.commandBytes({ ...message, epoch: this.#deps.epoch }, bytesMax);
  }

  /** As `HostCalls.taskPiece`. */
  taskPiece(message: object, bytes: Uint8Array): Promise<void> {
    return this.calls.taskPiece({ ...message, epoch: this.#deps.epoch }, bytes);
  }

  /** The agent stops for good. */
  dismiss(reason: string): void {
    this.#channel.send(0, jsonFrame(0, hostKinds.farewell, { reason }));
  }

  close(why: string): void {
    this.#channel.end(why);
  }

  #take(frame: Frame): void {
    const { kind, message } = frame;
    const deps = this.#deps;
    switch (kind) {
      case kinds.ran:
      case hostKinds.done:
      case hostKinds.refused:
      case hostKinds.gone:
      case hostKinds.replied:
      case hostKinds.piece:
      case hostKinds.bodyTaken:
      case hostKinds.bytes:
        return this.calls.take(frame);
      case hostKinds.taskReport:
        return deps.onTask(readTaskReport(message));
      case hostKinds.tasks:
        return deps.onTasks(readTaskIds(message));
      case hostKinds.report:
        return deps.onReport(readReport(message));
      case hostKinds.workers:
        return deps.onWorkers(readKeys(message));
      case hostKinds.usage:
        deps.onTaskUsage(readTaskUsage(message));
        return deps.onUsage(readUsage(message), readWarmWorkers(message));
      case hostKinds.exit: {
        const { key, exit } = readExit(message);
        return deps.onExit(key, exit);
      }
      case hostKinds.line: {
        const { key, line, requestIds, ageMs } = readLine(message);
        return deps.onLine(key, line, requestIds, ageMs);
      }
      case hostKinds.leaving:
        return deps.onLeaving(numberOf(fieldsOf(message)['withinMs'], leavingMsMax));
      case hostKinds.fetch:
        return this.#ranges.take(frame);
      case hostKinds.environment:
        return this.#sendArchive(frame);
      case hostKinds.objectQuery:
        return this.#answerQuery(frame);
      case hostKinds.copies:
        return deps.onCopies(readCopies(message));
      case hostKinds.wrongBytes: {
        const { host, sha256 } = readWrongBytes(message);
        return deps.onWrongBytes(host, sha256);
      }
      default:
        throw malformedFrame(`the home expects no frame of kind ${kind} from a host`);
    }
  }

  #sendArchive({ call, message }: Frame): void {
    const lock = cutText(fieldsOf(message)['lock'], 64);
    if (++this.#archives > archivesMax) throw malformedFrame(`it asks for more than ${archivesMax} environments at once`);
    this.#deps
      .archiveOf(lock)
      .then(
        ({ sha256, bytes, root, version, platform }) =>
          this.#channel.send(call, jsonFrame(call, hostKinds.archive, { sha256, bytes, root, version, platform })),
        (error: unknown) => this.#channel.send(call, jsonFrame(call, hostKinds.notFetched, failureOf(asPlatformError(error)))),
      )
      .finally(() => this.#archives--);
  }
  #answerQuery({ call, message }: Frame): void {
    const query = readObjectQuery(message);
    if (++this.#queries > queriesMax) throw malformedFrame(`it asks more than ${queriesMax} things about objects at once`);
    this.#deps
      .onObjectQuery(query)
      .then(
        (answer) => this.#channel.send(call, jsonFrame(call, hostKinds.objectAnswer, answer)),
        (error: unknown) => this.#channel.send(call, jsonFrame(call, hostKinds.notFetched, failureOf(asPlatformError(error)))),
      )
      .finally(() => this.#queries--);
  }
}
