/**
 * This server among others on one database: one serves, the others stand by. The one that serves is the controller of the cluster. When it
 * is dead, another one claims the role, ends what its process may still hold, and starts.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { type ClusterKeys, readClusterKeys } from '../access/index.ts';
import { NodeLinks } from '../authority/index.ts';
import { type Clock, every } from '../clock.ts';
import type { Closers } from '../closers.ts';
import {
  asController,
  type ClusterNode,
  type ClusterState,
  type ControllerTerm,
  controllerAddress,
  isSameProcess,
  linkAddresses,
  Member,
  type Program,
  programText,
  readClusterState,
  whyNotJoin,
  whyNotServe,
} from '../cluster/index.ts';
import type { Config } from '../config.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { addressParts, type LinkIdentity, linkProtocols } from '../links/index.ts';
import type { Logs } from '../logs/index.ts';
import {
  createTables,
  type Database,
  endLockOfNode,
  knownSteps,
  type NodeLock,
  neededAfter,
  objectPlaceOf,
  openMigrated,
  otherPlace,
  Presence,
  parseObjectLocation,
  readSchema,
} from '../storage/index.ts';
import { nextHomeIn, tellReplaced } from './replaced-home.ts';

/** Nothing is read for it: the rounds of the member do that. */
const lookEveryMs = 20;
const rejoinMs = 100;
const removedReason = 'this node was removed from the cluster: start it again if it is to be one of its nodes';
const connectMs = 5000;
/** How long a server of the same name, which was just killed, may be taken for live. */
const joinMsMax = 5000;
/** The first node has the role after one round. */
const firstRoleMsMax = 5000;

/** The node that serves, or is about to. */
export interface ClusterHome {
  readonly name: string;
  /** Rises with each change of the home. */
  readonly epoch: number;
  /** `HOST:PORT` of its links; null if it accepts none. */
  readonly address: string | null;
  /** `HOST:PORT` of the live nodes besides it and this one: over them, this node may reach it if its own way there is cut. */
  readonly detours: readonly string[];
  /** Whether it is this process. */
  readonly isSelf: boolean;
}

interface ServerNodeDeps {
  readonly clock: Clock;
  readonly log: Logs['platform'];
  readonly version: string;
  /** Ends a server that stands by. */
  readonly interrupted: AbortSignal | undefined;
  /** Called when another node becomes the home; null while there is none. */
  readonly onHome: (home: ClusterHome | null) => void;
  /** Called with each certificate of this node. */
  readonly onIdentity: (identity: LinkIdentity) => void;
}

/** What follows which node serves. */
export type HomeFollower = Pick<ServerNodeDeps, 'onHome' | 'onIdentity'>;

export class ServerNode implements NodeLock {
  readonly name: string;
  readonly #url: string;
  readonly #link: LinkSettings;
  readonly #deps: ServerNodeDeps;
  readonly #program: Program;
  readonly #replaced = Promise.withResolvers<string>();
  #member: Member | null = null;
  #links: NodeLinks | null = null;
  #closeDb: () => Promise<void> = async () => undefined;
  #lastWarning = '';
  /** Why this node left the role to others when it last could have claimed it. */
  #lastReason: string | null = null;
  #stopLooking: () => void = () => undefined;
  #home: ClusterHome | null = null;
  /** `HOST:PORT` of the last other node that had the role. */
  #addressBefore: string | null = null;
  readonly #closing = new AbortController();
  /** `HOST:PORT` of all nodes, the home first. */
  #addresses: readonly string[] = [];

  private constructor(name: string, url: string, link: LinkSettings, deps: ServerNodeDeps) {
    this.name = name;
    this.#url = url;
    this.#link = link;
    this.#deps = deps;
    this.#program = { version: deps.version, tables: knownSteps(), links: linkProtocols };
  }

  /**
   * Resolves when this server is to serve. Null if it is alone. Throws `wrong_state` if a live node has the name, or if the versions of the
   * others are too far from that of this one.
   */
  static async open(config: Config, deps: ServerNodeDeps, closers: Closers): Promise<ServerNode | null> {
    const { node, databaseUrl, clusterKeyFile, link } = config;
    if (node === null || databaseUrl === null || clusterKeyFile === null) return null;
    const server = new ServerNode(node, databaseUrl, linkSettings(link, readClusterKeys(clusterKeyFile)), deps);
    closers.push(() => server.#end());
    await createTables({ url: databaseUrl, clock: deps.clock });
    // On tables of before clusters, the lock decides who is first, and migrates them.
    const db = await server.#join();
    const problem = db === null ? null : await otherPlace(db, objectPlaceOf(parseObjectLocation(config.objects)));
    if (problem !== null) deps.log.warn({ node, problem }, 'this node stands by, but it may be unable to serve');
    if (db !== null) while (!(await server.#takeOver(db, await server.#role(db)))) await server.#pause();
    return server;
  }

  /** Resolves when another node has taken the role of this one. */
  get replaced(): Promise<string> {
    return this.#replaced.promise;
  }

  /** That of the role of this node; 0 before it has the role. */
  get epoch(): number {
    return this.#member?.term?.epoch ?? 0;
  }

  /** The role of this node; null before it has it, and once another node has it. */
  get term(): ControllerTerm | null {
    return this.#member?.term ?? null;
  }

  /** Where the other nodes and the hosts of the cluster reach this one. */
  get links(): NodeLinks {
    assert(this.#links !== null, 'links are open as soon as the node has joined');
    return this.#links;
  }

  mayServe(): boolean {
    return this.#member === null || (this.#member.term !== null && this.#member.isLeaseCurrent);
  }

  /** Called with the lock of the database. Throws `unavailable` if another node was faster on tables of before clusters. */
  async serve(): Promise<void> {
    if (this.#member === null) {
      const db = await this.#join();
      assert(db !== null, 'the lock was taken after the tables were created');
      await this.#role(db, this.#deps.clock.nowMs() + firstRoleMsMax);
    }
    this.#stopLooking = every(this.#deps.clock, lookEveryMs, () => {
      if (this.#member?.term !== null) return;
      this.#replaced.resolve(this.#member.isRemoved ? removedReason : replacedReason);
    });
  }

  /** Null if the database has no tables of a cluster yet. */
  async #join(): Promise<Database | null> {
    const { clock } = this.#deps;
    const opened = await openMigrated({ url: this.#url, clock });
    if (opened === null) return null;
    this.#closeDb = opened.close;
    await this.#requireFit(opened.db);
    const links = await this.#openLinks(opened.db);
    const openPresence = (key: number): Promise<Presence> => Presence.open(this.#url, key, { clock, connectMs });
    const node = { name: this.name, version: programText(this.#program), address: links.address };
    const mayClaim = (others: readonly ClusterNode[]): Promise<boolean> => this.#mayClaim(opened.db, others);
    const options = { db: opened.db, clock, node, handlers: null, openPresence, mayClaim };
    const untilMs = clock.nowMs() + joinMsMax;
    while (this.#member === null) {
      try {
        const onState = (state: ClusterState): void => this.#follow(state);
        this.#member = await Member.join({ ...options, onState, onFailure: (error) => this.#warn(error) });
      } catch (error) {
        const mayBeDead = error instanceof PlatformError && error.code === 'wrong_state' && clock.nowMs() < untilMs;
        if (!mayBeDead) throw error;
        await this.#pause(rejoinMs);
      }
    }
    this.#member.open();
    return opened.db;
  }

  /** Throws `wrong_state` if this program can be no node of this cluster. */
  async #requireFit(db: Database): Promise<void> {
    const { nodes, nowMs } = await readClusterState(db);
    const live = nodes.filter(({ name, isLive, expiresAtMs }) => name !== this.name && isLive && expiresAtMs > nowMs);
    const problem = whyNotJoin(this.#program, await readSchema(db), live);
    if (problem !== null) throw new PlatformError('wrong_state', problem);
  }

  async #mayClaim(db: Database, others: readonly ClusterNode[]): Promise<boolean> {
    const schema = await readSchema(db);
    const reason = whyNotServe(this.#program, { schema, neededAfter: neededAfter(schema) }, others);
    if (reason !== null && reason !== this.#lastReason)
      this.#deps.log.info({ node: this.name, reason }, 'this node does not take the role');
    this.#lastReason = reason;
    return reason === null;
  }

  #follow(state: ClusterState): void {
    const { holder, epoch } = state.controller;
    const { nodes } = state;
    this.#addresses = linkAddresses(state);
    const node = nodes.find((each) => each.isLive && isSameProcess(each, holder));
    const isSelf = isSameProcess(holder, this.#member?.self ?? null);
    const address = controllerAddress(state);
    const home = node === undefined ? null : { name: node.name, epoch, address, detours: this.#detoursTo(address), isSelf };
    const isSame = isDeepStrictEqual(home, this.#home);
    this.#home = home;
    if (home?.isSelf === false) this.#addressBefore = home.address;
    if (!isSame) this.#deps.onHome(home);
  }

  #detoursTo(home: string | null): readonly string[] {
    return this.#addresses.filter((address) => address !== home && address !== this.#links?.address);
  }

  /** Open from the start of the node on, also while it stands by. */
  async #openLinks(db: Database): Promise<NodeLinks> {
    const { clock } = this.#deps;
    const homeAddress = (): string | null => this.#home?.address ?? null;
    const nodes = (): readonly string[] => this.#addresses;
    const onFailure = (error: unknown): void => this.#warn(error);
    const links = await NodeLinks.open({ db, clock, name: this.name, ...this.#link, homeAddress, nodes, onFailure });
    links.port.answer('replaced', ['node'], async ({ introduction }) => this.#replacedBy(introduction));
    this.#deps.onIdentity(links.identity);
    links.onIdentity(this.#deps.onIdentity);
    this.#links = links;
    return links;
  }

  /** Resolves when this node is the controller. */
  async #role(db: Database, untilMs = Number.POSITIVE_INFINITY): Promise<ControllerTerm> {
    const { clock, log, interrupted } = this.#deps;
    for (let isLogged = false; ; ) {
      if (interrupted?.aborted === true) throw new PlatformError('unavailable', 'interrupted while standing by');
      const term = this.#member?.term ?? null;
      if (term !== null) return term;
      if (this.#member?.isRemoved === true) throw new PlatformError('wrong_state', removedReason);
      if (clock.nowMs() >= untilMs) throw new PlatformError('unavailable', 'another node was faster: start this one again');
      const serving = isLogged ? undefined : await servingNode(db);
      if (serving !== undefined && serving !== this.name) {
        log.info({ node: this.name, serving }, 'standing by: another node serves');
        isLogged = true;
      }
      await this.#pause();
    }
  }

  /** Ends what a process of an earlier controller may still hold. False if the role was lost meanwhile. */
  async #takeOver(db: Database, term: ControllerTerm): Promise<boolean> {
    try {
      await asController(db, term, endLockOfNode);
      this.#deps.log.info({ node: this.name, epoch: term.epoch }, 'this node serves from now on');
      const next = { name: this.name, epoch: term.epoch, address: this.links.address };
      const deps = { clock: this.#deps.clock, identity: this.links.identity, closing: this.#closing.signal };
      if (this.#addressBefore !== null) void tellReplaced(this.#addressBefore, next, deps).catch(() => undefined);
      return true;
    } catch (error) {
      this.#warn(error);
      return false;
    }
  }

  #replacedBy(introduction: Readonly<Record<string, unknown>>): object {
    const next = this.#member?.term === null ? null : nextHomeIn(introduction, this.epoch);
    if (next === null) return {};
    this.#home = { ...next, detours: this.#detoursTo(next.address), isSelf: false };
    this.#deps.onHome(this.#home);
    this.#replaced.resolve(replacedReason);
    return {};
  }

  /** While the database is away, each round fails for the same reason. */
  #warn(error: unknown): void {
    const message = messageOf(error);
    if (message !== this.#lastWarning)
      this.#deps.log.warn({ node: this.name, error: message }, 'the cluster: a round failed, will be repeated');
    this.#lastWarning = message;
  }

  #pause(ms = lookEveryMs): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.after(ms, resolve));
  }

  async #end(): Promise<void> {
    this.#stopLooking();
    this.#closing.abort();
    await this.#links?.close();
    await this.#member?.close();
    await this.#closeDb();
  }
}

const replacedReason = 'another node has taken the place of this one. Start it again: it then stands by';

interface LinkSettings {
  readonly host: string;
  readonly port: number;
  readonly clusterKeys: ClusterKeys;
}

/** Without the setting, other processes of this machine reach the node. */
function linkSettings(link: string | null, clusterKeys: ClusterKeys): LinkSettings {
  const parts = addressParts(link ?? '127.0.0.1:0');
  if (parts === null) throw new PlatformError('invalid_request', `--link: expected HOST:PORT, got ${String(link)}`);
  return { ...parts, clusterKeys };
}

/** Undefined if no node serves, or the database does not answer. */
async function servingNode(db: Database): Promise<string | undefined> {
  const state = await readClusterState(db).catch(() => null);
  return state?.controller.holder?.name;
}
