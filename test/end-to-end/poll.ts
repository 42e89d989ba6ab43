/** Waiting for what another process brings about: asks again and again until the answer is yes or patience ends. */
import assert from 'node:assert/strict';

const askEveryMs = 25;

/** Resolves to the first answer that is neither undefined, null nor false. Fails at the deadline, naming what did not come. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  patienceMs = 60_000,
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    assert(performance.now() < deadlineMs, `waited ${patienceMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}
