import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AuthorityTerm, authoritiesAt, certificateMs } from './authorities.ts';

const hourMs = 3_600_000;

/** As `Authority.rotate` makes them: each one waits for the one before. */
function termsOf(pausesMs: readonly number[]): readonly (AuthorityTerm & { readonly createdMs: number })[] {
  const terms = [{ number: 1, issuesFromMs: 0, createdMs: 0 }];
  for (const pauseMs of pausesMs) {
    const createdMs = (terms.at(-1)?.issuesFromMs ?? 0) + pauseMs;
    terms.push({ number: terms.length + 1, issuesFromMs: createdMs + certificateMs, createdMs });
  }
  return terms;
}

test('however often authorities are exchanged, each valid certificate is trusted by every process with a valid one', () => {
  const pause = fc.integer({ min: 0, max: 100 * hourMs });
  const age = fc.integer({ min: 0, max: certificateMs - 1 });
  fc.assert(
    fc.property(
      fc.array(pause, { maxLength: 4 }),
      fc.integer({ min: certificateMs, max: 600 * hourMs }),
      age,
      age,
      (pauses, now, one, other) => {
        const terms = termsOf(pauses);
        const at = (ms: number) =>
          authoritiesAt(
            terms.filter(({ createdMs }) => createdMs <= ms),
            ms,
          );
        const { issuer } = at(now - one);
        assert.ok(at(now - other).trusted.some(({ number }) => number === issuer.number));
      },
    ),
  );
});

test('an authority is trusted for a day after the next one began to issue, and at most two issue the valid certificates', () => {
  const terms = termsOf([0]);
  const numbersAt = (ms: number) => {
    const { issuer, trusted } = authoritiesAt(terms, ms);
    return [issuer.number, trusted.map(({ number }) => number)];
  };
  assert.deepEqual(numbersAt(0), [1, [1, 2]]);
  assert.deepEqual(numbersAt(certificateMs - 1), [1, [1, 2]]);
  assert.deepEqual(numbersAt(certificateMs), [2, [2, 1]]);
  assert.deepEqual(numbersAt(2 * certificateMs), [2, [2]]);
  assert.throws(() => authoritiesAt([], 0), { code: 'wrong_state' });
});
