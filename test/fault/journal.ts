/**
 * A client-side journal of acknowledged changes. A call without a response, or with `unavailable`, may or may not have taken effect, so
 * both states are valid. After the faults, `assertKept` compares the journal with the server.
 */
import assert from 'node:assert/strict';

/** The server rejected the change, so nothing changed. */
export class Rejected extends Error {}

/** The connection broke or the server returned `unavailable`: the effect is unknown. Any other error fails the test. */
export class Unknown extends Error {}

export class Journal {
  acknowledged = 0;
  unknown = 0;
  /** The possible states by resource. */
  readonly #states = new Map<string, Set<string>>();

  /** Runs a call that changes the state of a resource. Throws any error that is neither a rejection nor an unknown outcome. */
  async change(resource: string, to: string, call: () => Promise<unknown>): Promise<boolean> {
    try {
      await call();
    } catch (error) {
      if (error instanceof Rejected) return false;
      if (!(error instanceof Unknown)) throw error;
      this.unknown++;
      this.#states.set(resource, new Set([...this.statesOf(resource), to]));
      return false;
    }
    this.set(resource, to);
    return true;
  }

  /** Records a state that the server acknowledged. */
  set(resource: string, state: string): void {
    this.acknowledged++;
    this.#states.set(resource, new Set([state]));
  }

  statesOf(resource: string): ReadonlySet<string> {
    return this.#states.get(resource) ?? new Set(['absent']);
  }

  /** `read` returns the state that the server reports. */
  async assertKept(read: (resource: string) => Promise<string>): Promise<void> {
    const lost: string[] = [];
    for (const [resource, states] of this.#states) {
      const state = await read(resource);
      if (!states.has(state)) lost.push(`${resource}: expected ${[...states].join(' or ')}, got ${state}`);
    }
    assert.deepEqual(lost, []);
  }
}

/** mulberry32: a seeded generator, so runs can be repeated. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
