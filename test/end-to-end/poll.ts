/** Polls for an effect of another process. */
import assert from 'node:assert/strict';

/** Each pause is longer than the last: a poll costs the processor what a server and its workers wait for. */
const pauseMsMin = 25;
const pauseMsMax = 100;
const growth = 1.1;

/** Resolves to the first result that is not undefined, null or false. Fails at the deadline with `what`, a statement. */
export async function until<T>(
  what: string,
  call: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  patienceMs = 60_000,
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(growth * pauseMs, pauseMsMax)) {
    const answer = await call();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    assert(performance.now() < deadlineMs, `timed out after ${patienceMs} ms: expected that ${what}`);
    const waitMs = pauseMs;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
