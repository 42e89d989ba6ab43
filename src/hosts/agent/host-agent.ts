/**
 * The agent of a host: keeps a link to the home, wherever it is, and the workers of this machine over all its links. Without a link they
 * go on for a while, for the next home; then they stop.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../clock.ts';
import { systemCode, writeFileAtomically } from '../../data-directory/index.ts';
import { defined } from '../../defined.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { Random } from '../../random.ts';
import type { HostAbilities } from '../abilities.ts';
import { abilityFields } from '../link/abilities.ts';
import type { AgentArtifacts } from './agent-artifacts.ts';
import { AgentInvocations } from './agent-invocations.ts';
import { AgentLink } from './agent-link.ts';
import type { AgentTasks } from './agent-tasks.ts';
import { type AgentProvider, AgentWorkers } from './agent-workers.ts';
import { EpochFence } from './epoch-fence.ts';
import { LinkRetries } from './link-retries.ts';
import type { PeerGrants } from './peer-grants.ts';

export interface HostAgentOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly provider: AgentProvider;
  readonly artifacts: Pick<AgentArtifacts, 'setLink'>;
  /** Default: this host runs no tasks. */
  readonly tasks?: AgentTasks;
  /** Of this agent; no other process uses it. */
  readonly folder: string;
  readonly version: string;
  readonly zone: string;
  readonly cpuMilli: number;
  readonly memoryMiB: number;
  readonly abilities: HostAbilities;
  /** By instance type with devices: how many of its workers this machine can have at a time. Default: none. */
  readonly accelerators?: Readonly<Record<string, number>>;
  /** How long workers go on without a link. */
  readonly keepMs: number;
  /** Opens a link with these fields in its introduction. Resolves to a paused socket; rejects if refused for good or aborted. */
  readonly dial: (fields: object, signal: AbortSignal) => Promise<Duplex>;
  /** The home says which nodes run now, by `HOST:PORT`. Default: nothing. */
  readonly onNodes?: (addresses: readonly unknown[]) => void;
  /** Where this host serves others, and what they may read. Absent: it does not. */
  readonly serves?: { readonly port: number; readonly grants: Pick<PeerGrants, 'add'> };
}

/** While workers move: how often it is checked, and how long the agent waits without a home. */
const drainCheckMs = 100;
const homelessMsMax = 5000;

interface EndedLink {
  readonly why: string;
  /** When the home accepted it; null if it did not. */
  readonly welcomedMs: number | null;
}

export class HostAgent {
  readonly workers: AgentWorkers;
  readonly #options: HostAgentOptions;
  readonly #fence: EpochFence;
  readonly #instance: string;
  readonly #bodies: string;
  readonly #stop = new AbortController();
  readonly #drained = Promise.withResolvers<string>();
  #bodyCount = 0;
  /** When the agent stops; null unless it drains. */
  #untilMs: number | null = null;
  #link: AgentLink | null = null;
  #cancelKeep: () => void = () => undefined;
  readonly #retries: LinkRetries;
  /** Ends the wait for the next dial. */
  #dialNow: () => void = () => undefined;
  #running: Promise<void> | null = null;

  /** Throws `wrong_state` if its files are damaged. */
  constructor(options: HostAgentOptions) {
    const { folder, clock, log, provider, memoryMiB } = options;
    this.#options = options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#retries = new LinkRetries(options.random);
    this.#fence = EpochFence.open(join(folder, 'epoch'));
    this.#instance = instanceIn(join(folder, 'instance'));
    this.#bodies = join(folder, 'bodies');
    rmSync(this.#bodies, { recursive: true, force: true }); // of a killed agent
    mkdirSync(this.#bodies, { mode: 0o700 });
    this.workers = new AgentWorkers({ clock, log, provider, memoryMiB, tasksMiB: () => options.tasks?.heldMiB ?? 0 });
  }

  get isLinked(): boolean {
    return this.#link !== null;
  }

  /** Resolves, with the reason, when the home wants this agent to end: its workers run elsewhere. */
  get dismissed(): Promise<string> {
    return this.#drained.promise;
  }

  /** Resolves when `close` was called. Rejects with the reason if the cluster refuses this host for good. */
  run(): Promise<void> {
    this.#running ??= this.#keepLinked();
    return this.#running;
  }

  /**
   * Asks the home, and the next one if it changes, to move the workers and tasks elsewhere. Resolves when they are, when the time is over, or when there
   * has been no home for some seconds.
   */
  async drain(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + withinMs;
    let homeMs = clock.nowMs();
    let isDismissed = false;
    void this.dismissed.then(() => (isDismissed = true));
    this.#untilMs = untilMs;
    this.#link?.leave(withinMs);
    this.#dialNow();
    while (
      !isDismissed &&
      this.workers.size + (this.#options.tasks?.size ?? 0) > 0 &&
      clock.nowMs() < untilMs &&
      clock.nowMs() - homeMs < homelessMsMax
    ) {
      await new Promise<void>((resolve) => clock.after(drainCheckMs, resolve));
      if (this.isLinked) homeMs = clock.nowMs();
    }
  }

  /** Ends the link and the workers. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#dialNow();
    this.#cancelKeep();
    this.#link?.close('the agent stops');
    await this.workers.stopAll('the agent stops');
    await this.#running?.catch(() => undefined);
  }

  async #keepLinked(): Promise<void> {
    const { dial, version, zone, cpuMilli, memoryMiB, abilities, accelerators = {}, serves } = this.#options;
    const fields = {
      instance: this.#instance,
      version,
      zone,
      cpuMilli,
      memoryMiB,
      abilities: abilityFields(abilities),
      accelerators,
      ...defined({ servePort: serves?.port }),
    };
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let socket: Duplex;
      try {
        socket = await dial(fields, signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      if (signal.aborted) {
        socket.destroy();
        return;
      }
      const { why, welcomedMs } = await this.#serve(socket);
      if (signal.aborted) return;
      await this.#pause(why, welcomedMs);
    }
  }

  /** Waits before the next dial. `welcomedMs`: when the home accepted the last link; null if it did not. */
  async #pause(reason: string, welcomedMs: number | null): Promise<void> {
    const { clock, log, keepMs } = this.#options;
    const nowMs = clock.nowMs();
    const { waitMs, logged } = this.#retries.ended(reason, nowMs, nowMs - (welcomedMs ?? nowMs));
    if (logged !== null) {
      const what = welcomedMs === null ? 'the home ended the link before it accepted this host' : 'the link to the home is lost';
      const times = logged > 1 ? { times: logged } : {};
      log.warn({ reason, ...times, workers: this.workers.size, keepMs }, `${what}: workers go on`);
    }
    await new Promise<void>((resolve) => {
      const cancel = clock.after(waitMs, resolve);
      this.#dialNow = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Resolves when the link has ended. */
  #serve(socket: Duplex): Promise<EndedLink> {
    const { clock, log, artifacts, keepMs } = this.#options;
    let welcomedMs: number | null = null;
    return new Promise((resolve) => {
      const link: AgentLink = new AgentLink(socket, {
        clock,
        workers: this.workers,
        tasks: this.#options.tasks ?? null,
        fence: this.#fence,
        invocations: new AgentInvocations(this.workers, () => join(this.#bodies, `${this.#bodyCount++}`)),
        onWelcome: () => {
          welcomedMs = clock.nowMs();
          this.#cancelKeep();
          this.#cancelKeep = () => undefined;
          this.#link = link;
          artifacts.setLink(link);
          if (this.#untilMs !== null) link.leave(Math.max(0, this.#untilMs - clock.nowMs()));
          log.info({ epoch: this.#fence.newest, workers: this.workers.size }, 'linked to the home');
        },
        onNodes: (addresses) => this.#options.onNodes?.(addresses),
        onGrant: (grant) => this.#options.serves?.grants.add(grant),
        onFarewell: (reason) => this.#drained.resolve(reason),
        onEnd: (why) => {
          if (this.#link === link) {
            this.#link = null;
            artifacts.setLink(null);
            if (this.#stop.signal.aborted) return resolve({ why, welcomedMs });
            this.#cancelKeep = clock.after(keepMs, () => {
              this.workers
                .stopAll(`no home for ${Math.round(keepMs / 1000)} s`)
                .catch((error: unknown) => log.error({ error: messageOf(error) }, 'workers were not stopped'));
            });
          }
          resolve({ why, welcomedMs });
        },
      });
    });
  }
}

/** Made once: tells two machines of one name apart. */
function instanceIn(path: string): string {
  try {
    const text = readFileSync(path, 'utf8').trim();
    if (!/^[0-9a-f]{32}$/.test(text)) throw new PlatformError('wrong_state', `${path} is damaged: delete it`);
    return text;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    const made = randomBytes(16).toString('hex');
    writeFileAtomically(path, `${made}\n`, { mode: 0o600 });
    return made;
  }
}
