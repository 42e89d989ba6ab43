/**
 * Reads the ranges of one object from other hosts, and from the home whatever they do not send: each range is checked by its digest from the
 * home. A host that is slower than the home, lost, or wrong, is not used again for this object.
 */
import type { Clock } from '../../clock.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Log } from '../../logs/index.ts';
import type { ObjectRange } from '../link/object-ranges.ts';
import { digestsMax, type HomePeers, type ObjectPeer } from '../link/peer-messages.ts';
import { rangeDigest } from '../range-digests.ts';

/** Peers are requested again: others may have the object by now, and grants end. */
const findEveryMs = 15_000;
/** A transfer does not wait longer for the first answer; it begins at the home. */
const findMsMax = 1000;
/** A host has sent nothing for so long, or for 8 times as long as the home took for a range: the home is asked, too. */
const stallMs = { min: 1000, max: 4000, timesHome: 8 };
/** Failures, and ranges for which the home was faster, until a host is used no more. */
const strikesMax = 3;
/** The home is measured by one range of this many. If it is twice as fast as all hosts together, twice in a row, they are used no more. */
const probe = { first: 24, every: 64, again: 8, timesFaster: 2, slowMax: 2 };
/** Ranges that are requested ahead, of each host. */
const aheadOfPeer = 4;
/** Hosts that are named as not wanted. */
const withoutMax = 64;

export interface PeerRangesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly sha256: string;
  /** Of the whole object, and of each range but the last. */
  readonly size: number;
  readonly step: number;
  /** What the home took for a range before any host was used. */
  readonly homeMs: number;
  /** Null while the home is away, or knows no hosts. */
  readonly home: () => HomePeers | null;
  readonly fromHome: (start: number) => Promise<ObjectRange>;
  readonly fromPeer: (peer: ObjectPeer, start: number) => Promise<ObjectRange>;
}

interface UsedPeer extends ObjectPeer {
  open: number;
  strikes: number;
  lastMs: number;
}

export class PeerRanges {
  readonly #deps: PeerRangesDeps;
  #peers: readonly UsedPeer[] = [];
  readonly #without = new Set<string>();
  readonly #digests = new Map<number, Promise<readonly string[]>>();
  #cancelFind: () => void = () => undefined;
  #isClosed = false;
  /** Since the home was measured: ranges of hosts, and when that was. */
  #sinceProbe = 0;
  #probeAtMs: number;
  #probeAfter: number = probe.first;
  #slowProbes = 0;
  #homeMs: number;

  constructor(deps: PeerRangesDeps) {
    this.#deps = deps;
    this.#homeMs = deps.homeMs;
    this.#probeAtMs = deps.clock.nowMs();
  }

  /** Resolves when the first hosts are known, or after a second. Never rejects. */
  async open(): Promise<void> {
    const { clock } = this.#deps;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(findMsMax, resolve);
    });
    await Promise.race([this.#find(), late]);
    cancel();
    this.#probeAtMs = clock.nowMs();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelFind();
  }

  /** Ranges to request ahead, `fromHome` if there is no host. */
  ahead(fromHome: number): number {
    return Math.max(fromHome, aheadOfPeer * this.#peers.length);
  }

  /** Rejects as the home does. */
  async range(start: number): Promise<ObjectRange> {
    const { fromHome } = this.#deps;
    if (this.#peers.length === 0) return fromHome(start);
    if (++this.#sinceProbe > this.#probeAfter) return this.#probe(start);
    const digest = await this.#digestOf(start);
    const peer = this.#leastBusy();
    return digest === null || peer === null ? fromHome(start) : this.#fromEither(peer, start, digest);
  }

  /** The host, or the home if the host fails, or stalls and is slower. */
  async #fromEither(peer: UsedPeer, start: number, digest: string): Promise<ObjectRange> {
    const { fromHome } = this.#deps;
    const sent = this.#fromPeer(peer, start, digest).catch(() => null);
    const stalled = this.#stalled(peer);
    const first = await Promise.race([sent, stalled.promise]);
    stalled.cancel();
    if (first !== 'stalled') return first ?? fromHome(start);
    const other = fromHome(start);
    const winner = await Promise.race([
      sent.then((range) => ({ isHome: false, range })),
      other.then(
        (range) => ({ isHome: true, range }),
        () => ({ isHome: true, range: null }),
      ),
    ]);
    if (winner.range === null) return (winner.isHome ? await sent : null) ?? other;
    if (winner.isHome) this.#strike(peer, 'the home was faster');
    return winner.range;
  }

  /** Rejects, and counts against the host, if it does not send the range as it is. */
  async #fromPeer(peer: UsedPeer, start: number, digest: string): Promise<ObjectRange> {
    const { clock, sha256, size, step, fromPeer, home } = this.#deps;
    if (peer.open++ === 0) peer.lastMs = clock.nowMs();
    try {
      const range = await fromPeer(peer, start);
      const isLong = range.size === size && range.bytes.length === Math.min(step, size - start);
      if (!isLong || (await rangeDigest(range.bytes)) !== digest) {
        home()?.sentWrongBytes(peer.host, sha256);
        this.#drop(peer, 'it has sent wrong bytes');
        throw new PlatformError('unavailable', `host ${peer.host} has sent wrong bytes of the object ${sha256}`);
      }
      peer.lastMs = clock.nowMs();
      return range;
    } catch (error) {
      const isRefused = error instanceof PlatformError && error.code === 'forbidden';
      if (isRefused) this.#drop(peer, messageOf(error));
      else this.#strike(peer, messageOf(error));
      throw error;
    } finally {
      peer.open--;
    }
  }

  /** Resolves if nothing has come from the host for a while. */
  #stalled(peer: UsedPeer): { readonly promise: Promise<'stalled'>; readonly cancel: () => void } {
    const { clock } = this.#deps;
    const limitMs = Math.min(Math.max(stallMs.min, stallMs.timesHome * this.#homeMs), stallMs.max);
    const { promise, resolve } = Promise.withResolvers<'stalled'>();
    let cancel = (): void => undefined;
    const look = (fromMs: number): void => {
      cancel = clock.after(fromMs + limitMs - clock.nowMs(), () => {
        if (clock.nowMs() - Math.max(peer.lastMs, fromMs) >= limitMs) resolve('stalled');
        else look(peer.lastMs);
      });
    };
    look(clock.nowMs());
    return { promise, cancel: () => cancel() };
  }

  /** Compares what the home takes for one range with what the hosts took for each. */
  async #probe(start: number): Promise<ObjectRange> {
    const { clock, fromHome } = this.#deps;
    const beganMs = clock.nowMs();
    const perRangeMs = (beganMs - this.#probeAtMs) / this.#probeAfter;
    this.#sinceProbe = 0;
    this.#probeAtMs = beganMs;
    const range = await fromHome(start);
    this.#homeMs = clock.nowMs() - beganMs;
    const isSlow = perRangeMs > probe.timesFaster * this.#homeMs;
    this.#slowProbes = isSlow ? this.#slowProbes + 1 : 0;
    this.#probeAfter = isSlow ? probe.again : probe.every;
    if (this.#slowProbes >= probe.slowMax)
      for (const peer of this.#peers)
        this.#drop(peer, `the home sends a range in ${this.#homeMs.toFixed(1)} ms, hosts took ${perRangeMs.toFixed(1)} ms`);
    return range;
  }

  #leastBusy(): UsedPeer | null {
    return this.#peers.reduce<UsedPeer | null>((least, peer) => (least === null || peer.open < least.open ? peer : least), null);
  }

  /** Null: the home does not say it now. */
  async #digestOf(start: number): Promise<string | null> {
    const { home, step, sha256 } = this.#deps;
    const index = start / step;
    const block = Math.floor(index / digestsMax);
    const known = this.#digests.get(block) ?? home()?.digests(sha256, block * digestsMax * step) ?? null;
    if (known === null) return null;
    this.#digests.set(block, known);
    for (const before of this.#digests.keys()) if (before < block - 1) this.#digests.delete(before);
    try {
      return (await known)[index % digestsMax] ?? null;
    } catch {
      this.#digests.delete(block);
      return null;
    }
  }

  #strike(peer: UsedPeer, why: string): void {
    if (++peer.strikes >= strikesMax) this.#drop(peer, why);
  }

  #drop(peer: UsedPeer, why: string): void {
    if (!this.#peers.includes(peer)) return;
    this.#peers = this.#peers.filter((each) => each !== peer);
    if (this.#without.size < withoutMax) this.#without.add(peer.host);
    this.#deps.log.warn({ host: peer.host, object: this.#deps.sha256, reason: why }, 'an object is not read from this host any more');
  }

  async #find(): Promise<void> {
    const { clock, sha256, home, log } = this.#deps;
    try {
      const found = (await home()?.find(sha256, [...this.#without])) ?? [];
      const used = new Map(this.#peers.map((peer) => [peer.host, peer]));
      const isNew = found.some(({ host }) => !used.has(host));
      const nowMs = clock.nowMs();
      if (this.#peers.length === 0) [this.#sinceProbe, this.#probeAtMs] = [0, nowMs];
      this.#peers = found
        .filter(({ host }) => !this.#without.has(host))
        .map((peer) => used.get(peer.host) ?? { ...peer, open: 0, strikes: 0, lastMs: nowMs });
      if (isNew) log.info({ object: sha256, hosts: this.#peers.map(({ host }) => host) }, 'an object is read from other hosts');
    } catch (error) {
      log.debug({ object: sha256, error: messageOf(error) }, 'the hosts that have an object are not known');
    }
    if (!this.#isClosed) this.#cancelFind = clock.after(findEveryMs, () => void this.#find());
  }
}
