/**
 * The gateway processes of a node (`--node`). They accept connections from its start, whether the node serves or stands by, so its port stays
 * open when the home changes.
 */
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import type { ClusterHome, Foundation } from '../foundation/index.ts';
import { type Certificate, cannotListen, loadCertificate } from '../http/index.ts';
import type { LinkIdentity } from '../links/index.ts';
import { FrontProcesses } from './front-processes.ts';

/** For the clients of a node that was replaced: their requests are answered by the new home. */
const replacedTimes = { timeoutMs: 3000, graceMs: 500 };
/** As for a server (http/listener/drain-servers.ts). */
const graceMsMax = 2000;

/** Tells the processes where the home is. */
export class NodeFronts {
  readonly processes: FrontProcesses;
  readonly tls: Certificate | null;
  #home: ClusterHome | null = null;
  #identity: LinkIdentity | null = null;
  /** This node has been the home, which told the processes itself. */
  #hasServed = false;

  private constructor(processes: FrontProcesses, tls: Certificate | null) {
    this.processes = processes;
    this.tls = tls;
  }

  /** Resolves once the processes accept connections. Throws `unavailable` if the port cannot be bound. */
  static async open(
    config: Config,
    { clock, logs, directory, startedAtMs }: Pick<Foundation, 'clock' | 'logs' | 'directory' | 'startedAtMs'>,
    closers: Closers,
  ): Promise<NodeFronts> {
    const tls = loadCertificate(config, directory.path, startedAtMs);
    const processes = new FrontProcesses(config, { clock, log: logs.platform, tls });
    const fronts = new NodeFronts(processes, tls);
    closers.push(async () => {
      const { drainMs } = config;
      if (!fronts.#hasServed) await processes.drain({ timeoutMs: drainMs, graceMs: Math.min(graceMsMax, drainMs / 5) });
      await processes.close();
    });
    await processes.start().catch((cause: unknown) => {
      throw cannotListen(config, cause);
    });
    directory.announce(processes.url ?? '');
    return fronts;
  }

  /** Called once when another node serves, with the URL of this one, whose requests go there. */
  onStandBy: ((url: string) => void) | undefined;

  /** Null: no node serves at the moment. */
  readonly onHome = (home: ClusterHome | null): void => {
    this.#home = home;
    if (home?.isSelf === true) this.#hasServed = true;
    else if (home !== null) {
      this.onStandBy?.(this.processes.url ?? '');
      this.onStandBy = undefined;
    }
    this.#tell();
  };

  /** The certificate by which the processes link to other nodes from now on. */
  readonly onIdentity = (identity: LinkIdentity): void => {
    this.#identity = identity;
    this.#tell();
  };

  /** Resolves when the clients of this node, which was replaced, have their answers and know that it ends. */
  async leave(): Promise<void> {
    await this.processes.drain(replacedTimes);
  }

  #tell(): void {
    const home = this.#home;
    const identity = this.#identity;
    if (home === null) return; // the last one is dialled until another one is known
    const { epoch: term, address, detours, isSelf } = home;
    // This node tells its own place when it is open; the processes wait for that, and for no other home.
    if (isSelf) return this.processes.awaitTarget(term);
    this.processes.setTarget(address === null || identity === null ? { term } : { term, other: { address, detours, identity } });
  }
}
