/**
 * A call with the same ClientToken again is the same call, and makes nothing twice: clients repeat a call whose answer they
 * did not get. A token is remembered for a day, and as long as what was made by it is there.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Transaction } from '../../storage/index.ts';
import { AwsError, type AwsInput, type AwsOutput } from '../service.ts';
import type { Documents, GoesWith } from './documents.ts';

interface Made {
  /** Of the members, to tell another call with the same token. */
  readonly fingerprint: string;
  readonly answer: AwsOutput;
}

/** Somebody else has just used it. */
class TokenTaken extends Error {}

const keptMs = 24 * 3_600_000;

export class ClientTokens {
  readonly #documents: Documents;
  readonly #clock: Clock;

  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /**
   * What `make` answers, or what the first call with this token was answered. `make` has its answer kept in the transaction
   * in which it makes the thing. Throws `ValidationException` where the first call had other members.
   */
  async once(
    operation: string,
    input: AwsInput,
    make: (keep: (answer: AwsOutput, goesWith: GoesWith, tx: Transaction) => Promise<void>) => Promise<AwsOutput>,
  ): Promise<AwsOutput> {
    const { ClientToken: token, ...members } = input;
    if (typeof token !== 'string' || token === '') return make(async () => undefined);
    await this.#documents.removeOlder('client-token', this.#clock.wallMs() - keptMs);
    const name = digest(`${operation} ${token}`);
    const fingerprint = digest(JSON.stringify(sorted(members)));
    const before = await this.#answered(name, fingerprint);
    if (before !== null) return before;
    try {
      return await make(async (answer, goesWith, tx) => {
        const content: Made = { fingerprint, answer };
        if (!(await this.#documents.add({ kind: 'client-token', name, content, goesWith }, tx))) throw new TokenTaken();
      });
    } catch (error) {
      const meanwhile = error instanceof TokenTaken ? await this.#answered(name, fingerprint) : null;
      if (meanwhile === null) throw error;
      return meanwhile;
    }
  }

  async #answered(name: string, fingerprint: string): Promise<AwsOutput | null> {
    const stored = await this.#documents.find<Made>('client-token', name);
    if (stored === null) return null;
    if (stored.content.fingerprint === fingerprint) return stored.content.answer;
    throw new AwsError('ValidationException', 'ClientToken was used by a call with other members before: send a new one with each call.');
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Members in the order of their names, at every depth: clients need not keep to one. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => [key, sorted(member)]);
}
