/** Polls for an effect of another process. */
import assert from 'node:assert/strict';

const pollEveryMs = 25;

/** Resolves to the first result that is not undefined, null or false. Fails at the deadline with `what`, a statement. */
export async function until<T>(
  what: string,
  call: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  patienceMs = 60_000,
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const answer = await call();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    assert(performance.now() < deadlineMs, `timed out after ${patienceMs} ms: expected that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollEveryMs));
  }
}
