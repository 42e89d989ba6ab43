/**
 * Idempotency by `ClientToken`: a client that repeats a call after a lost response gets the first call's response. Tokens are retained
 * for a day, and deleted with the resource they created.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Transaction } from '../../storage/index.ts';
import { AwsError, type AwsInput, type AwsOutput } from '../service.ts';
import type { DocumentOwner, Documents } from './documents.ts';

interface StoredCall {
  /** Digest of the members, to detect another call with the same token. */
  readonly fingerprint: string;
  readonly answer: AwsOutput;
}

/** A concurrent call has just stored the same token. */
class TokenConflict extends Error {}

const tokenLifetimeMs = 24 * 3_600_000;

/** Answers of earlier calls by operation and token, stored as documents. */
export class ClientTokens {
  readonly #documents: Documents;
  readonly #clock: Clock;

  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /**
   * Resolves to the answer of `create`, or of the first call with this token. `create` must call `store` in the transaction that
   * creates the resource. Throws `ValidationException` if the first call had other members.
   */
  async once(
    operation: string,
    input: AwsInput,
    create: (store: (answer: AwsOutput, owner: DocumentOwner, tx: Transaction) => Promise<void>) => Promise<AwsOutput>,
  ): Promise<AwsOutput> {
    const { ClientToken: token, ...members } = input;
    if (typeof token !== 'string' || token === '') return create(async () => undefined);
    await this.#documents.removeOlder('client-token', this.#clock.wallMs() - tokenLifetimeMs);
    const name = digest(`${operation} ${token}`);
    const fingerprint = digest(JSON.stringify(sorted(members)));
    const before = await this.#answered(name, fingerprint);
    if (before !== null) return before;
    try {
      return await create(async (answer, owner, tx) => {
        const content: StoredCall = { fingerprint, answer };
        if (!(await this.#documents.add({ kind: 'client-token', name, content, owner }, tx))) throw new TokenConflict();
      });
    } catch (error) {
      const concurrent = error instanceof TokenConflict ? await this.#answered(name, fingerprint) : null;
      if (concurrent === null) throw error;
      return concurrent;
    }
  }

  async #answered(name: string, fingerprint: string): Promise<AwsOutput | null> {
    const stored = await this.#documents.find<StoredCall>('client-token', name);
    if (stored === null) return null;
    if (stored.content.fingerprint === fingerprint) return stored.content.answer;
    throw new AwsError('ValidationException', 'ClientToken was used before by a call with other members. Send a new token with each call.');
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Sorts members by name at every depth: a repeated call may order them differently. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => [key, sorted(member)]);
}
