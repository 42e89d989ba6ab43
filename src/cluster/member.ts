/**
 * This process as a node of the cluster: it renews its lease, follows which slots it owns, and is the controller when its turn comes.
 *
 * Renewals and rounds are two loops, because a lease must be renewed in time whatever else waits for the database. What a round decides is
 * in `liveness.ts` and `place-slots.ts`.
 */
import { type Clock, Loop } from '../clock.ts';
import type { Database } from '../storage/index.ts';
import { type ClusterNode, type ClusterState, hasEnded, isSameProcess, presenceKeyOf, readClusterState } from './cluster-state.ts';
import { claimController, releaseController } from './controller-role.ts';
import { type ControllerTerm, Deposed, type SlotOwnership } from './fences.ts';
import { noSightings, observeNodes, type Sightings } from './liveness.ts';
import {
  type AbsentProcess,
  declareDead,
  type JoinedNode,
  joinCluster,
  markDead,
  markDraining,
  type NodeDescription,
  renewLease,
} from './node-leases.ts';
import { placeSlots } from './place-slots.ts';
import { wasRemoved } from './remove-node.ts';
import { assignSlots, handOver, requestMoves } from './slots.ts';

/** What the process does when its slots change. */
export interface SlotHandlers {
  /** This process owns the slot now. */
  taken(ownership: SlotOwnership): void;
  /** Resolves once the process no longer acts as the owner. The slot then goes to another node. */
  beforeHandOver(ownership: SlotOwnership): Promise<void>;
  /** Another node has the slot by now, and nothing was handed over. */
  lost(ownership: SlotOwnership): void;
}

/** What a member must know of its presence. */
export interface NodePresence {
  readonly isHeld: boolean;
  readonly losses: number;
  close(): Promise<void>;
}

/** Times in milliseconds. */
export interface MemberLimits {
  readonly renewEveryMs: number;
  /** Between two rounds. */
  readonly roundEveryMs: number;
  /** A node is declared dead when it has not renewed its lease for this long. */
  readonly ttlMs: number;
  /** A node that lost its presence is declared dead when it has not renewed its lease for this long. */
  readonly absentMs: number;
  /** Slots under way from a live owner to another one. */
  readonly movesMax: number;
}

/** A killed process is replaced within a second, one that froze or lost its database after 3 to 4 seconds. */
export const defaultMemberLimits: MemberLimits = { renewEveryMs: 200, roundEveryMs: 100, ttlMs: 3000, absentMs: 300, movesMax: 8 };

/** The part of a lease on which its holder relies: clocks of two machines may differ in speed. */
const certainShare = 0.9;

/** The database, the name of the node, and what it does with its slots. */
export interface MemberOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly node: NodeDescription;
  /** Null: the nodes share the role of the controller alone, and place no slots. */
  readonly handlers: SlotHandlers | null;
  /** Shows the other nodes that this process runs. Without it, they notice its end by its lease alone. */
  readonly openPresence?: (key: number) => Promise<NodePresence>;
  readonly limits?: MemberLimits;
  /** Asked before this process claims the role: whether it may, beside these other nodes, which may claim it as well. Default: yes. */
  readonly mayClaim?: (others: readonly ClusterNode[]) => Promise<boolean>;
  /** What each round has read. */
  readonly onState?: (state: ClusterState) => void;
  /** A failed round is repeated. */
  readonly onFailure: (error: unknown) => void;
}

/** A member keeps its slots while the database is away: nothing can be taken from it without the database. */
export class Member {
  readonly #options: MemberOptions;
  readonly #limits: MemberLimits;
  readonly #loops: readonly Loop[];
  readonly #owned = new Map<number, SlotOwnership>();
  /** The number of the last read of the state, and for each slot the last read that began before its hand-over ended. */
  #reads = 0;
  readonly #outdated = new Map<number, number>();
  /** Hand-overs under way, by slot. */
  readonly #handingOver = new Map<number, Promise<void>>();
  #self: JoinedNode;
  #presence: { readonly key: number; readonly lock: NodePresence } | null = null;
  #lossesSeen = 0;
  #certainUntilMs: number;
  #clockOffsetMs = 0;
  #sightings: Sightings = noSightings;
  #term: ControllerTerm | null = null;
  #isRemoved = false;

  private constructor(options: MemberOptions, self: JoinedNode, certainUntilMs: number) {
    const { clock, onFailure, limits = defaultMemberLimits } = options;
    this.#options = options;
    this.#limits = limits;
    this.#self = self;
    this.#certainUntilMs = certainUntilMs;
    this.#loops = [
      new Loop({ clock, everyMs: limits.renewEveryMs, run: () => this.renew(), onFailure }),
      new Loop({ clock, everyMs: limits.roundEveryMs, run: () => this.round(), onFailure }),
    ];
  }

  /** Joins the cluster. Throws `wrong_state` if a live node has the name. */
  static async join(options: MemberOptions): Promise<Member> {
    const { ttlMs } = options.limits ?? defaultMemberLimits;
    const sentMs = options.clock.nowMs();
    const self = await joinCluster(options.db, options.node, ttlMs);
    const member = new Member(options, self, sentMs + certainShare * ttlMs);
    await member.#showPresence();
    return member;
  }

  /** Starts both loops. */
  open(): void {
    for (const loop of this.#loops) loop.open(0);
  }

  /** The present incarnation. It changes if this process was declared dead and joined again. */
  get self(): JoinedNode {
    return this.#self;
  }

  /** Whether other processes must take this one for live. If not, only fenced transactions tell what it still owns. */
  get isCertain(): boolean {
    return this.isLeaseCurrent && this.#presence?.lock.isHeld !== false;
  }

  /** Whether the lease has time left, by the monotonic clock of this process. */
  get isLeaseCurrent(): boolean {
    return this.#options.clock.nowMs() < this.#certainUntilMs;
  }

  /** The slots of this process, by number. */
  get owned(): ReadonlyMap<number, SlotOwnership> {
    return this.#owned;
  }

  /** Set while this process is the controller. */
  get term(): ControllerTerm | null {
    return this.#term;
  }

  /** Whether an operator took this node out of the cluster while its process was paused. It does not join again. */
  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** By how much this machine's clock is ahead of the database's. */
  get clockOffsetMs(): number {
    return this.#clockOffsetMs;
  }

  /** Renews the lease. If this process was declared dead, it has lost everything, and joins again as a new incarnation unless it was removed. */
  async renew(): Promise<void> {
    const { db, clock, node } = this.#options;
    const { ttlMs } = this.#limits;
    const sentMs = clock.nowMs();
    const renewed = await renewLease(db, this.#self, ttlMs, this.#clockOffsetMs);
    if (renewed === null) {
      this.#loseAll();
      this.#isRemoved = await wasRemoved(db, this.#self);
      if (this.#isRemoved) return;
      this.#self = await joinCluster(db, node, ttlMs);
    } else {
      this.#clockOffsetMs = clock.wallMs() - renewed.nowMs - (clock.nowMs() - sentMs) / 2;
    }
    this.#certainUntilMs = sentMs + certainShare * ttlMs;
    await this.#showPresence();
  }

  /** Reads the state, follows the own slots, and does what the controller does if this process is the controller. */
  async round(): Promise<void> {
    const { clock } = this.#options;
    const self = this.#self;
    try {
      const sentMs = clock.nowMs();
      const state = await this.#read();
      if (self !== this.#self) return;
      const { ttlMs, absentMs } = this.#limits;
      const times = { sentMs, answeredMs: clock.nowMs() };
      const { sightings, suspects } = observeNodes(this.#trusted(), state, times, { ttlMs, absentMs, gapMs: ttlMs / 2 });
      this.#sightings = sightings;
      const changed = await this.#control(state, suspects);
      if (changed > 0) await this.#read();
    } catch (error) {
      if (error instanceof Deposed) this.#term = null;
      // Others may have missed their renewals for the same reason.
      else this.#sightings = noSightings;
      throw error;
    }
  }

  /** Asks the controller to move all slots away. They are gone when `owned` is empty. */
  async drain(): Promise<void> {
    await markDraining(this.#options.db, this.#self);
  }

  /** Leaves the cluster: the controller gives what is left to other nodes in its next round. */
  async close(): Promise<void> {
    const { db, handlers, onFailure } = this.#options;
    for (const loop of this.#loops) await loop.close();
    await Promise.all(this.#handingOver.values());
    const release = async (ownership: SlotOwnership): Promise<void> => handlers?.beforeHandOver(ownership);
    await Promise.all([...this.#owned.values()].map((ownership) => release(ownership).catch(onFailure)));
    this.#owned.clear();
    // Without the database the lease runs out by itself.
    if (this.#term !== null) await releaseController(db, this.#term).catch(onFailure);
    this.#term = null;
    await markDead(db, this.#self).catch(onFailure);
    await this.#presence?.lock.close();
  }

  /** Each incarnation has its own key, so the one before, if it still runs, does not pass for this one. */
  async #showPresence(): Promise<void> {
    const key = presenceKeyOf(this.#self);
    if (this.#options.openPresence === undefined || this.#presence?.key === key) return;
    await this.#presence?.lock.close();
    this.#presence = null;
    this.#presence = { key, lock: await this.#options.openPresence(key) };
  }

  /** None if this process lost a connection since the last round: so may have others, which need time to connect again. */
  #trusted(): Sightings {
    const losses = this.#presence?.lock.losses ?? 0;
    const isTrusted = this.#presence?.lock.isHeld !== false && losses === this.#lossesSeen;
    this.#lossesSeen = losses;
    return isTrusted ? this.#sightings : noSightings;
  }

  async #read(): Promise<ClusterState> {
    const self = this.#self;
    const read = ++this.#reads;
    const state = await readClusterState(this.#options.db);
    if (self === this.#self) this.#follow(state, read);
    this.#options.onState?.(state);
    return state;
  }

  /** Returns the number of changed slots. */
  async #control(state: ClusterState, suspects: readonly ClusterNode[]): Promise<number> {
    const { db, mayClaim } = this.#options;
    const self = this.#self;
    const { holder, epoch } = state.controller;
    if (isSameProcess(holder, self)) this.#term = { holder: self, epoch };
    else {
      this.#term = null;
      const suspect = suspects.find((node) => isSameProcess(node, holder));
      if (holder !== null && suspect === undefined && !hasEnded(holder, state.nodes)) return 0;
      const others = state.nodes.filter((node) => node.isLive && !isSameProcess(node, self) && !suspects.includes(node));
      if (mayClaim !== undefined && !(await mayClaim(others))) return 0;
      const term = await claimController(db, self, suspect === undefined ? null : absenceOf(suspect));
      if (term === null || self !== this.#self) return 0;
      this.#term = term;
    }
    const term = this.#term;
    const dead = new Set<ClusterNode>();
    for (const suspect of suspects)
      if (!isSameProcess(suspect, self) && (await declareDead(db, suspect, absenceOf(suspect)))) dead.add(suspect);
    if (this.#options.handlers === null) return 0;
    const nodes = state.nodes.map((node) => (dead.has(node) ? { ...node, isLive: false } : node));
    const { assigned, requested } = placeSlots(nodes, state.slots, this.#limits.movesMax);
    return (await assignSlots(db, term, assigned)) + (await requestMoves(db, term, requested));
  }

  #follow({ slots }: ClusterState, read: number): void {
    const { handlers } = this.#options;
    if (handlers === null) return;
    const self = this.#self;
    const isBusy = (slot: number): boolean => this.#handingOver.has(slot) || (this.#outdated.get(slot) ?? 0) >= read;
    const own = new Map(slots.filter(({ owner }) => isSameProcess(owner, self)).map((slot) => [slot.slot, slot]));
    for (const [slot, ownership] of this.#owned) {
      if (isBusy(slot) || own.get(slot)?.epoch === ownership.epoch) continue;
      this.#owned.delete(slot);
      handlers.lost(ownership);
    }
    for (const [slot, { epoch, wanted }] of own) {
      if (isBusy(slot)) continue;
      const ownership = this.#owned.get(slot) ?? { owner: self, slot, epoch };
      if (!this.#owned.has(slot)) {
        this.#owned.set(slot, ownership);
        handlers.taken(ownership);
      }
      if (wanted !== null) this.#handingOver.set(slot, this.#handOver(ownership));
    }
  }

  async #handOver(ownership: SlotOwnership): Promise<void> {
    const { db, handlers, onFailure } = this.#options;
    const { slot } = ownership;
    try {
      await handlers?.beforeHandOver(ownership);
      if (await handOver(db, ownership)) this.#owned.delete(slot);
      else if (this.#owned.get(slot) === ownership) handlers?.taken(ownership); // The other node died in the meantime.
    } catch (error) {
      // The next round shows whether the slot moved.
      this.#owned.delete(slot);
      if (!(error instanceof Deposed)) onFailure(error);
    } finally {
      this.#outdated.set(slot, this.#reads);
      this.#handingOver.delete(slot);
    }
  }

  #loseAll(): void {
    this.#term = null;
    this.#certainUntilMs = 0;
    for (const [slot, ownership] of this.#owned) {
      this.#owned.delete(slot);
      if (!this.#handingOver.has(slot)) this.#options.handlers?.lost(ownership);
    }
  }
}

/** Null if the process is present: then only its lease counts. */
function absenceOf(node: ClusterNode): AbsentProcess | null {
  return node.isPresent ? null : { key: presenceKeyOf(node), expiresAtMs: node.expiresAtMs };
}
