/** The agent's end of its link: does what the home commands, relays its runs to workers of this machine, and reports them. */
import type { Duplex } from 'node:stream';
import { releaseMemory, releaseResultMemory } from '../../buffer-release.ts';
import { type Clock, every } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Frame, malformedFrame, readFrameBody, WorkerLost } from '../../runtime/index.ts';
import { HostChannel } from '../link/host-channel.ts';
import { hostKinds, jsonFrame, readRelayedRun, relayedLink, relayedResultFrame } from '../link/host-frames.ts';
import type { ObjectRange } from '../link/object-ranges.ts';
import { OpenRequests } from '../link/open-requests.ts';
import { type HomePeers, type PeerGrant, readDigests, readGrant, readPeers } from '../link/peer-messages.ts';
import { cutText, fieldsOf, keyOf, listOf, numberOf, workersMax } from '../link/reports.ts';
import { readSpec } from '../link/worker-spec.ts';
import { failureFrame } from './agent-failures.ts';
import type { AgentInvocations } from './agent-invocations.ts';
import type { AgentTasks } from './agent-tasks.ts';
import type { AgentWorkers } from './agent-workers.ts';
import type { EpochFence } from './epoch-fence.ts';
import { obeyTaskCommand, takeTaskPiece } from './task-commands.ts';

/** Lines of workers are kept by the agent while more bytes than this wait to be sent. */
const lineBytesMax = 1024 * 1024;
const lineLengthMax = 16 * 1024;
const usageEveryMs = 2000;
/** Nodes of a cluster. */
const nodesMax = 1000;

export interface AgentLinkDeps {
  readonly clock: Clock;
  readonly workers: AgentWorkers;
  /** Null: this host runs no tasks. */
  readonly tasks: AgentTasks | null;
  readonly fence: EpochFence;
  readonly invocations: AgentInvocations;
  /** The home has accepted this link, and gets the reports. */
  readonly onWelcome: () => void;
  /** `HOST:PORT` of the nodes that run now, as the home says. */
  readonly onNodes: (addresses: readonly unknown[]) => void;
  /** Another host may read an object of this one for a while. */
  readonly onGrant: (grant: PeerGrant) => void;
  /** The home wants this agent to end. */
  readonly onFarewell: (reason: string) => void;
  readonly onEnd: (why: string) => void;
}

/** The archive of a Python environment, as the home describes it. */
export interface SentArchive {
  readonly sha256: string;
  readonly bytes: number;
  /** The folder of the environment on the home. */
  readonly root: string;
  /** Of the interpreter. */
  readonly version: string;
  readonly platform: string;
}

export class AgentLink {
  readonly #deps: AgentLinkDeps;
  readonly #channel: HostChannel;
  readonly #requests: OpenRequests;
  #offersPeers = false;
  #isWelcome = false;
  #stopUsage: () => void = () => undefined;

  /** `socket`: connected, introduced and paused. */
  constructor(socket: Duplex, deps: AgentLinkDeps) {
    this.#deps = deps;
    this.#channel = new HostChannel(socket, {
      clock: deps.clock,
      onFrame: (frame) => this.#take(frame),
      onEnd: (why) => this.#end(why),
    });
    this.#requests = new OpenRequests((call, frame) => this.#channel.send(call, frame));
  }

  /** Asks the home to move the workers of this host elsewhere, before it stops. */
  leave(withinMs: number): void {
    this.#channel.send(0, jsonFrame(0, hostKinds.leaving, { withinMs }));
  }

  /** Reads a range of an object. Rejects with the reason of the home, and with `WorkerLost` if the link ends. */
  range(sha256: string, start: number): Promise<ObjectRange> {
    return this.#requests.range(sha256, start);
  }

  /** Asks for the archive of an environment. Rejects as `range`. */
  environment(lock: string): Promise<SentArchive> {
    return this.#requests.request(hostKinds.environment, { lock }, hostKinds.archive, ({ message }) => {
      const { sha256, bytes, root, version, platform } = fieldsOf(message);
      return {
        sha256: cutText(sha256, 64),
        bytes: numberOf(bytes),
        root: cutText(root),
        version: cutText(version, 64),
        platform: cutText(platform, 64),
      };
    });
  }

  /** Other hosts, as the home knows them; null if it is too old for that. */
  get peers(): HomePeers | null {
    return this.#offersPeers ? this.#peers : null;
  }

  readonly #peers: HomePeers = {
    find: (sha256, without) =>
      this.#requests.request(hostKinds.objectQuery, { method: 'peers', sha256, without }, hostKinds.objectAnswer, readPeers),
    digests: (sha256, start) =>
      this.#requests.request(hostKinds.objectQuery, { method: 'digests', sha256, start }, hostKinds.objectAnswer, readDigests),
    sentWrongBytes: (host, sha256) => this.#channel.send(0, jsonFrame(0, hostKinds.wrongBytes, { host, sha256 })),
    hasCopies: (copies) => this.#channel.send(0, jsonFrame(0, hostKinds.copies, { copies })),
  };

  close(why: string): void {
    this.#channel.end(why);
  }

  #take(frame: Frame): void {
    const { kind, call, message } = frame;
    if (kind === hostKinds.welcome) {
      const { epoch, claims, peers, tasks } = fieldsOf(message);
      this.#offersPeers = peers === true;
      return this.#welcomed(numberOf(epoch), { claims: claims === true, takesTasks: tasks === true });
    }
    if (kind === hostKinds.farewell) return this.#deps.onFarewell(cutText(fieldsOf(message)['reason']));
    if (!this.#isWelcome) throw malformedFrame('the home has not said its epoch');
    switch (kind) {
      case hostKinds.command:
        return this.#command(call, message);
      case hostKinds.taskPiece:
        return this.#taskPiece(frame);
      case hostKinds.run:
        return this.#run(frame);
      case hostKinds.invoke:
        return this.#deps.invocations.invoke(frame, this.#channel);
      case hostKinds.taken:
        return this.#deps.invocations.taken(call, message);
      case hostKinds.bodyPiece:
        return this.#deps.invocations.bodyPiece(call, readFrameBody(frame), fieldsOf(message)['isAborted'] === true);
      case hostKinds.fetched:
      case hostKinds.archive:
      case hostKinds.objectAnswer:
      case hostKinds.notFetched:
        return this.#requests.take(frame);
      default:
        throw malformedFrame(`an agent expects no frame of kind ${kind}`);
    }
  }

  /** Then come the reports of all workers, and what changes. */
  #welcomed(epoch: number, { claims, takesTasks }: { readonly claims: boolean; readonly takesTasks: boolean }): void {
    const { clock, workers, tasks, fence, onWelcome } = this.#deps;
    fence.check(epoch);
    if (this.#isWelcome) return;
    this.#isWelcome = true;
    workers.listen({
      onReport: (report) => this.#channel.send(0, jsonFrame(0, hostKinds.report, report)),
      onEnded: (key, exit) => this.#channel.send(0, jsonFrame(0, hostKinds.exit, { key, exit })),
      onLine: (key, line, requestIds, ageMs) =>
        this.#channel.send(0, jsonFrame(0, hostKinds.line, { key, line: line.slice(0, lineLengthMax), requestIds, ageMs })),
      canTakeLines: () => this.#channel.bufferedBytes <= lineBytesMax,
    });
    for (const report of workers.reports()) this.#channel.send(0, jsonFrame(0, hostKinds.report, report));
    this.#channel.send(0, jsonFrame(0, hostKinds.workers, { keys: workers.keys }));
    if (!claims) workers.claim(workers.keys); // a home of an earlier version
    if (takesTasks && tasks !== null) this.#reportTasks(tasks);
    this.#stopUsage = every(clock, usageEveryMs, () => {
      workers.reportLoaded();
      this.#channel.send(
        0,
        jsonFrame(0, hostKinds.usage, { workers: workers.usage(), warm: workers.warmWorkers, tasks: tasks?.usage() ?? [] }),
      );
    });
    onWelcome();
  }

  #reportTasks(tasks: AgentTasks): void {
    tasks.listen((report) => this.#channel.send(0, jsonFrame(0, hostKinds.taskReport, report)));
    for (const report of tasks.reports()) this.#channel.send(0, jsonFrame(0, hostKinds.taskReport, report));
    this.#channel.send(0, jsonFrame(0, hostKinds.tasks, { ids: tasks.ids }));
  }

  /** Every command has the epoch of its sender: a home that was replaced changes nothing. */
  #command(call: number, message: unknown): void {
    this.#answer(call, async () => {
      const fields = fieldsOf(message);
      this.#deps.fence.check(numberOf(fields['epoch']));
      const { tasks } = this.#deps;
      const answer = tasks === null ? null : obeyTaskCommand(tasks, call, fields);
      return answer ?? jsonFrame(call, hostKinds.done, await this.#obey(fields));
    });
  }

  #taskPiece(frame: Frame): void {
    this.#answer(frame.call, async () => {
      const { tasks, fence } = this.#deps;
      fence.check(numberOf(fieldsOf(frame.message)['epoch']));
      if (tasks === null) throw new PlatformError('unsupported', 'this host runs no tasks');
      return takeTaskPiece(tasks, frame);
    });
  }

  #answer(call: number, obey: () => Promise<Buffer[]>): void {
    obey().then(
      (answer) => this.#channel.send(call, answer),
      (error: unknown) => this.#failed(call, error),
    );
  }

  async #obey(fields: Readonly<Record<string, unknown>>): Promise<object> {
    const { workers, onNodes, onGrant } = this.#deps;
    switch (fields['method']) {
      case 'start':
        await workers.start(keyOf(fields['key']), cutText(fields['digest'], 64), readSpec(fields['spec']));
        return {};
      case 'stop':
        await workers.stop(keyOf(fields['key']));
        return {};
      case 'restart':
        workers.restart(keyOf(fields['key']), cutText(fields['reason'], 1000));
        return {};
      case 'claim':
        workers.claim(listOf(fields['keys'], workersMax).map(keyOf));
        return {};
      case 'nodes':
        onNodes(listOf(fields['addresses'], nodesMax));
        return {};
      case 'grant':
        onGrant(readGrant(fields));
        return {};
      case 'status': {
        const worker = workers.byLink(numberOf(fields['link']));
        if (worker === undefined) throw new WorkerLost('its process has ended');
        return { rssBytes: (await worker.link.status()).rssBytes };
      }
      default:
        throw new PlatformError('unsupported', 'the agent does not know the command: it has an older version than the home');
    }
  }

  #run(frame: Frame): void {
    const { call, plan } = frame;
    const worker = this.#deps.workers.byLink(relayedLink(frame));
    const signature = worker?.link.signature ?? null;
    if (worker === undefined || signature === null) return this.#failed(call, new WorkerLost('its process has ended'));
    const { inputs, ids } = readRelayedRun(frame, signature);
    worker.link
      .run(inputs, ids, plan)
      .then((result) => {
        releaseMemory(frame.bytes); // its inputs were read
        const outputs = result.outputs.map(({ data }) => data);
        this.#channel.send(call, relayedResultFrame(call, result, worker.spec.plans), () => releaseResultMemory(outputs));
      })
      .catch((error: unknown) => this.#failed(call, error));
  }

  #failed(call: number, error: unknown): void {
    this.#channel.send(call, failureFrame(call, error));
  }

  #end(why: string): void {
    const { workers, tasks, invocations, onEnd } = this.#deps;
    this.#stopUsage();
    if (this.#isWelcome) workers.listen(null);
    if (this.#isWelcome) tasks?.listen(null);
    invocations.end();
    this.#requests.end(why);
    onEnd(why);
  }
}
