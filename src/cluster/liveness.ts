/**
 * Which nodes have stopped, as one observer sees it. Pure.
 *
 * A killed process is absent and renews nothing; a stopped one only renews nothing. An observer suspects a node only after it has itself
 * seen that for long enough, without a gap in its own observations. So an observer that just started, was paused or was cut off from the
 * database suspects no other node: after an outage of the database all leases have run out, and all nodes need time to renew them. A step
 * of the database's clock does not matter either.
 */
import type { ClusterNode, ClusterState } from './cluster-state.ts';

/** Times in milliseconds. */
export interface LivenessLimits {
  /** How long a lease lasts. */
  readonly ttlMs: number;
  /** How long a node may be absent without a renewal. Longer than the interval of renewals. */
  readonly absentMs: number;
  /** A longer time between two observations is a gap. */
  readonly gapMs: number;
}

interface Sighting {
  readonly incarnation: number;
  readonly expiresAtMs: number;
  /** The first observation with this lease, by the observer's monotonic clock. */
  readonly sinceMs: number;
  /** Whether it was ever seen present. */
  readonly wasPresent: boolean;
  /** The first observation of its present absence; null if it is present. */
  readonly absentSinceMs: number | null;
}

/** What an observer remembers between observations. */
export interface Sightings {
  /** The last observation; null before the first one. */
  readonly atMs: number | null;
  readonly byName: ReadonlyMap<string, Sighting>;
}

export const noSightings: Sightings = { atMs: null, byName: new Map() };

/** An observation, and the live nodes that have stopped according to it. */
export interface Suspicion {
  readonly sightings: Sightings;
  readonly suspects: readonly ClusterNode[];
}

/** When the query for the state was sent and answered, by the observer's monotonic clock. */
export interface ReadTimes {
  readonly sentMs: number;
  readonly answeredMs: number;
}

/**
 * A lease is seen when the query is answered, and is known to be unchanged when the next one is sent: it never appears older than it is.
 */
export function observeNodes(
  before: Sightings,
  { nodes, nowMs: databaseNowMs }: ClusterState,
  { sentMs, answeredMs }: ReadTimes,
  limits: LivenessLimits,
): Suspicion {
  const hasGap = before.atMs === null || answeredMs - before.atMs > limits.gapMs;
  const byName = new Map<string, Sighting>();
  const suspects: ClusterNode[] = [];
  for (const node of nodes) {
    if (!node.isLive) continue;
    const { incarnation, expiresAtMs } = node;
    const seen = hasGap ? undefined : before.byName.get(node.name);
    const known = seen?.incarnation === incarnation ? seen : undefined;
    const isRenewed = known?.expiresAtMs !== expiresAtMs;
    const sighting: Sighting = {
      incarnation,
      expiresAtMs,
      sinceMs: known === undefined || isRenewed ? answeredMs : known.sinceMs,
      wasPresent: node.isPresent || known?.wasPresent === true,
      absentSinceMs: node.isPresent ? null : isRenewed ? answeredMs : (known?.absentSinceMs ?? answeredMs),
    };
    byName.set(node.name, sighting);
    const isExpired = expiresAtMs <= databaseNowMs && sentMs - sighting.sinceMs >= limits.ttlMs;
    const isAbsent = sighting.wasPresent && sighting.absentSinceMs !== null && sentMs - sighting.absentSinceMs >= limits.absentMs;
    if (isExpired || isAbsent) suspects.push(node);
  }
  return { sightings: { atMs: answeredMs, byName }, suspects };
}
