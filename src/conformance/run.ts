/**
 * Runs the cases, one after the other, against a server of which nothing is known. It always ends: each answer has a time limit, each
 * case, and the whole; and a server that has stopped answering is not asked on.
 */
import { AssertionError } from 'node:assert';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { openTarget, type TargetOptions } from './open.ts';
import { type CaseResult, type Group, groups, type Level, type Outcome, Skipped } from './outcome.ts';
import type { Target } from './target.ts';

export interface SuiteOptions extends TargetOptions {
  /** Ids and groups, such as C7 or B; all where it is empty. */
  readonly only: readonly string[];
  /** For all of it. */
  readonly limitMs: number;
  readonly interrupted: AbortSignal;
  readonly onResult?: (result: CaseResult) => void;
}

export type Counts = Readonly<Record<Outcome, number>>;

export interface Report {
  readonly url: string;
  readonly grpc: string | null;
  readonly server: Target['server'];
  /** The one that was asked wherever any would do. */
  readonly model: string;
  readonly cases: readonly CaseResult[];
  readonly groups: Readonly<Record<Group, Counts>>;
  readonly levels: Readonly<Record<Level, Counts>>;
  readonly total: Counts;
}

const caseLimitMsLeast = 60_000;
const aliveWithinMs = 5000;
const reasonLengthMax = 600;

/** Throws `PlatformError` where no server answers, it has no model to ask, or `only` names nothing. */
export async function runSuite(options: SuiteOptions): Promise<Report> {
  const chosen = choose(options.only);
  const { clock, limitMs, interrupted } = options;
  const untilMs = clock.nowMs() + limitMs;
  const target = await openTarget(options);
  const results: CaseResult[] = [];
  let stopped: string | null = null;
  try {
    for (const each of chosen) {
      if (interrupted.aborted) stopped = 'not run: interrupted';
      else if (clock.nowMs() >= untilMs) stopped = `not run: the ${Math.round(limitMs / 1000)} s for the whole suite are over`;
      const limit = Math.min(Math.max(caseLimitMsLeast, 6 * options.replyTimeoutMs), untilMs - clock.nowMs());
      const { result, isDead } = stopped === null ? await runCase(each, target, clock, limit) : ended(each, 'failed', stopped);
      if (isDead) stopped = `not run: the server stopped answering during ${each.id}`;
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
    throw new PlatformError(
      'invalid_request',
      `there is no case '${wrong}': expected a case such as C7, or a group of ${Object.keys(groups).join(', ')}`,
    );
  }
  return cases.filter(({ id }) => only.length === 0 || only.includes(id) || only.includes(id[0] as string));
}

interface Ran {
  readonly result: CaseResult;
  /** The server does not answer any more. */
  readonly isDead: boolean;
}

/** Never throws. */
async function runCase(each: Case, target: Target, clock: Clock, limitMs: number): Promise<Ran> {
  const { extension } = each;
  if (each.id[0] === 'G' && !target.hasRpc) return ended(each, 'skipped', 'no address of the gRPC side was given (--grpc HOST:PORT)');
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

function ended({ id, level, promise }: Case, outcome: Outcome, reason: string, isDead = false): Ran {
  const text = reason.replaceAll(/\s*\n\s*/g, ' ').trim();
  const short = text.length > reasonLengthMax ? `${text.slice(0, reasonLengthMax)}…` : text;
  return { result: { id, group: id[0] as Group, level, promise, outcome, reason: short }, isDead };
}

function within(run: Promise<void>, clock: Clock, limitMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new Error(`the case was not over after ${Math.round(limitMs)} ms`)));
    run.then(resolve, reject).finally(cancel);
  });
}

async function isAlive({ wire }: Target): Promise<boolean> {
  return wire.send('/v2/health/live', { timeoutMs: aliveWithinMs }).then(
    () => true,
    () => false,
  );
}

function reportOf({ url, grpc }: SuiteOptions, { server, subject }: Target, results: readonly CaseResult[]): Report {
  const count = (some: readonly CaseResult[]): Counts => ({
    passed: some.filter(({ outcome }) => outcome === 'passed').length,
    failed: some.filter(({ outcome }) => outcome === 'failed').length,
    skipped: some.filter(({ outcome }) => outcome === 'skipped').length,
  });
  const by = <Key extends string>(keys: readonly Key[], of: (result: CaseResult) => Key): Record<Key, Counts> =>
    Object.fromEntries(keys.map((key) => [key, count(results.filter((result) => of(result) === key))])) as Record<Key, Counts>;
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
