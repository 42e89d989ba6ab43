/**
 * Runs the cases sequentially against an unknown server. It always terminates: each response, each case and the whole suite have time
 * limits, and a server that has stopped responding is not tested further.
 */
import { AssertionError } from 'node:assert';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import type { Target } from './client/target.ts';
import { openTarget, type TargetOptions } from './open.ts';
import { type CaseOutcome, type CaseResult, type Group, groups, type Level, Skipped } from './outcome.ts';
import type { SuiteClock } from './suite-clock.ts';
import { messageOf, SuiteError } from './suite-error.ts';

export interface SuiteOptions extends TargetOptions {
  /** Ids and groups, such as C7 or B; empty for all. */
  readonly only: readonly string[];
  /** Time limit of the whole suite. */
  readonly limitMs: number;
  readonly interrupted: AbortSignal;
  readonly onResult?: (result: CaseResult) => void;
}

export type OutcomeCounts = Readonly<Record<CaseOutcome, number>>;

export interface SuiteReport {
  readonly url: string;
  readonly grpc: string | null;
  readonly server: Target['server'];
  /** The model used by cases that work with any model. */
  readonly model: string;
  readonly cases: readonly CaseResult[];
  readonly groups: Readonly<Record<Group, OutcomeCounts>>;
  readonly levels: Readonly<Record<Level, OutcomeCounts>>;
  readonly total: OutcomeCounts;
}

const caseLimitMsLeast = 60_000;
const aliveWithinMs = 5000;
const reasonLengthMax = 600;

/** Throws `SuiteError` if the server does not respond or has no suitable model, or if `only` names no case. */
export async function runSuite(options: SuiteOptions): Promise<SuiteReport> {
  const chosen = choose(options.only);
  const { clock, limitMs, interrupted } = options;
  const untilMs = clock.nowMs() + limitMs;
  const target = await openTarget(options);
  const results: CaseResult[] = [];
  let stopped: string | null = null;
  try {
    for (const each of chosen) {
      if (interrupted.aborted) stopped = 'not run: interrupted';
      else if (clock.nowMs() >= untilMs)
        stopped = `not run: the time limit of ${Math.round(limitMs / 1000)} s for the whole suite was reached`;
      const limit = Math.min(Math.max(caseLimitMsLeast, 6 * options.replyTimeoutMs), untilMs - clock.nowMs());
      const { result, isDead } = stopped === null ? await runCase(each, target, clock, limit) : ended(each, 'failed', stopped);
      if (isDead) stopped = `not run: the server stopped responding during ${each.id}`;
      results.push(result);
      options.onResult?.(result);
    }
  } finally {
    target.close();
  }
  return reportOf(options, target, results);
}

function choose(only: readonly string[]): Case[] {
  const wrong = only.find((word) => !cases.some(({ id }) => id === word || id[0] === word));
  if (wrong !== undefined) {
    throw new SuiteError(
      'invalid_request',
      `there is no case '${wrong}': expected a case such as C7, or a group of ${Object.keys(groups).join(', ')}`,
    );
  }
  return cases.filter(({ id }) => only.length === 0 || only.includes(id) || only.includes(id[0] as string));
}

interface Ran {
  readonly result: CaseResult;
  /** The server no longer responds. */
  readonly isDead: boolean;
}

/** Never throws. */
async function runCase(each: Case, target: Target, clock: SuiteClock, limitMs: number): Promise<Ran> {
  const { extension } = each;
  if (each.id[0] === 'G' && !target.hasRpc) return ended(each, 'skipped', 'no gRPC address was given (--grpc HOST:PORT)');
  if (extension !== undefined && !target.has(extension)) return ended(each, 'skipped', `not advertised: ${extension}`);
  try {
    await within(each.run(target), clock, limitMs);
    return ended(each, 'passed', '');
  } catch (error) {
    if (error instanceof Skipped) return ended(each, 'skipped', error.message);
    const isDead = !(error instanceof AssertionError) && !(await isAlive(target));
    return ended(each, 'failed', messageOf(error), isDead);
  } finally {
    target.wire.abandon();
  }
}

function ended({ id, level, promise }: Case, outcome: CaseOutcome, reason: string, isDead = false): Ran {
  const text = reason.replaceAll(/\s*\n\s*/g, ' ').trim();
  const short = text.length > reasonLengthMax ? `${text.slice(0, reasonLengthMax)}…` : text;
  return { result: { id, group: id[0] as Group, level, promise, outcome, reason: short }, isDead };
}

function within(run: Promise<void>, clock: SuiteClock, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new Error(`the case did not finish within ${Math.round(limitMs)} ms`)));
    run.then(resolve, reject).finally(cancel);
  });
}

async function isAlive({ wire }: Target): Promise<boolean> {
  return wire.send('/v2/health/live', { timeoutMs: aliveWithinMs }).then(
    () => true,
    () => false,
  );
}

function reportOf({ url, grpc }: SuiteOptions, { server, subject }: Target, results: readonly CaseResult[]): SuiteReport {
  const count = (some: readonly CaseResult[]): OutcomeCounts => ({
    passed: some.filter(({ outcome }) => outcome === 'passed').length,
    failed: some.filter(({ outcome }) => outcome === 'failed').length,
    skipped: some.filter(({ outcome }) => outcome === 'skipped').length,
  });
  const by = <Key extends string>(keys: readonly Key[], of: (result: CaseResult) => Key): Record<Key, OutcomeCounts> =>
    Object.fromEntries(keys.map((key) => [key, count(results.filter((result) => of(result) === key))])) as Record<Key, OutcomeCounts>;
  return {
    url,
    grpc: grpc ?? null,
    server,
    model: subject.name,
    cases: results,
    groups: by(Object.keys(groups) as Group[], ({ group }) => group),
    levels: by(['must', 'should', 'extension'], ({ level }) => level),
    total: count(results),
  };
}
