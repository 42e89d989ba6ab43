import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterNode, ClusterState } from './cluster-state.ts';
import { noSightings, observeNodes } from './liveness.ts';

const limits = { ttlMs: 3000, absentMs: 600, gapMs: 1500 };

interface Look {
  /** By the observer's clock. */
  readonly atMs: number;
  /** By the clock of the database. */
  readonly databaseMs: number;
  readonly expiresAtMs: number;
  readonly incarnation?: number;
  readonly isLive?: boolean;
  readonly isPresent?: boolean;
}

/** Whether the last of these observations finds the node stopped. */
function isSuspect(looks: readonly Look[]): boolean {
  let sightings = noSightings;
  let last = false;
  for (const { atMs, databaseMs, expiresAtMs, incarnation = 1, isLive = true, isPresent = true } of looks) {
    const lease = { expiresAtMs, joinedAtMs: 0, version: '0', address: null, clockOffsetMs: 0, isDraining: false, isRemoved: false };
    const node: ClusterNode = { name: 'b', number: 2, incarnation, isLive, isPresent, ...lease };
    const state: ClusterState = { nowMs: databaseMs, nodes: [node], controller: { holder: null, epoch: 0 }, slots: [] };
    const suspicion = observeNodes(sightings, state, { sentMs: atMs, answeredMs: atMs + 2 }, limits);
    ({ sightings } = suspicion);
    last = suspicion.suspects.length > 0;
  }
  return last;
}

/** One look a second, of a lease that ends at `expiresAtMs`. */
const looks = (fromMs: number, toMs: number, expiresAtMs: (atMs: number) => number, stepMs = 1000): Look[] =>
  Array.from({ length: Math.floor((toMs - fromMs) / stepMs) + 1 }, (_, i) => fromMs + i * stepMs).map((atMs) => ({
    atMs,
    databaseMs: atMs,
    expiresAtMs: expiresAtMs(atMs),
  }));

for (const { when, seen, suspect } of [
  { when: 'it renews its lease', seen: looks(0, 60_000, (atMs) => atMs + 2500), suspect: false },
  { when: 'its lease was not renewed for its whole time', seen: looks(0, 4000, () => 3000), suspect: true },
  { when: 'its lease has not run out', seen: looks(0, 4000, () => 4001), suspect: false },
  { when: 'the observer has just started, after all leases ran out', seen: looks(10_000, 12_000, () => 3000), suspect: false },
  {
    when: 'the observer was paused while the lease ran out',
    seen: [...looks(0, 1000, () => 3000), ...looks(60_000, 62_000, () => 3000)],
    suspect: false,
  },
  {
    when: 'the clock of the database jumped ahead by an hour',
    seen: looks(0, 10_000, (atMs) => atMs + 2500).map((look) => ({ ...look, databaseMs: look.atMs + (look.atMs > 5000 ? 3_600_000 : 0) })),
    suspect: false,
  },
  {
    when: 'a new process of the node joined in the meantime',
    seen: looks(0, 4000, () => 3000).map((look) => ({ ...look, incarnation: look.atMs < 3000 ? 1 : 2 })),
    suspect: false,
  },
  { when: 'it is dead already', seen: looks(0, 9000, () => 3000).map((look) => ({ ...look, isLive: false })), suspect: false },
  {
    when: 'a slow query makes the lease look older than it is',
    seen: [{ atMs: 0, databaseMs: 0, expiresAtMs: 3000 }, ...looks(1000, 3001, () => 3000)],
    suspect: false,
  },
  {
    when: 'it is absent and has renewed nothing meanwhile',
    seen: looks(0, 1000, () => 3000, 200).map((look) => ({ ...look, isPresent: look.atMs < 200 })),
    suspect: true,
  },
  {
    when: 'it is absent, but renews its lease',
    seen: looks(0, 5000, (atMs) => 3000 + Math.floor(atMs / 400) * 400, 200).map((look) => ({ ...look, isPresent: look.atMs < 200 })),
    suspect: false,
  },
  {
    when: 'it was absent for a moment',
    seen: looks(0, 1000, () => 3000, 200).map((look) => ({ ...look, isPresent: look.atMs !== 400 && look.atMs !== 600 })),
    suspect: false,
  },
  {
    when: 'it was never seen present',
    seen: looks(0, 1000, () => 3000, 200).map((look) => ({ ...look, isPresent: false })),
    suspect: false,
  },
  {
    when: 'it is absent, but the observer was away when it disappeared',
    seen: [...looks(0, 1000, () => 99_000, 200), ...looks(9000, 11_000, () => 99_000, 200).map((look) => ({ ...look, isPresent: false }))],
    suspect: false,
  },
]) {
  test(`a node is ${suspect ? 'suspected' : 'not suspected'} if ${when}`, () => assert.equal(isSuspect(seen), suspect));
}
