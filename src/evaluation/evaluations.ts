/**
 * Evaluations: models run over a labelled set as transforms, on separate workers, and their answers are scored. Each step is stored, so
 * the next server continues after a restart or crash. The same artifact and the same set are never run twice.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { asPlatformError, messageOf, PlatformError } from '../errors.ts';
import type { Log } from '../logs/index.ts';
import type { Audit, EventKind, Events } from '../records/index.ts';
import { type ForeignCodeCheck, type ModelVersion, type Registry } from '../registry/index.ts';
import type { Database } from '../storage/index.ts';
import type { Threads } from '../threads/index.ts';
import { answerFormOf } from './answer-form.ts';
import { payloadObstacleOf } from './candidate-payload.ts';
import { CandidateRuns, type CandidateTransforms } from './candidate-runs.ts';
import { compareTask } from './compare-models.ts';
import {
  artifactKeyOf,
  type CandidateView,
  candidatesMax,
  type EvaluationCandidate,
  type EvaluationState,
  type EvaluationView,
  type StoredEvaluation,
  type StoredOutcomes,
} from './evaluation.ts';
import { type EvaluationPage, EvaluationRows, setKeyOf } from './evaluation-rows.ts';
import type { SetView } from './evaluation-set.ts';
import { EvaluationSets } from './evaluation-sets.ts';
import { SelectionTests } from './selection/selection-tests.ts';
import { type SetAnswers, StoredAnswers } from './stored-answers.ts';

export interface EvaluationsOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly audit: Pick<Audit, 'record'>;
  readonly registry: Pick<Registry, 'resolve' | 'version' | 'files'>;
  readonly transforms: CandidateTransforms;
  readonly threads: Threads;
  /** Absolute path; holds results until they are scored. */
  readonly directory: string;
  /** Throws `forbidden` if the caller may not start the code of a version on this machine. */
  readonly checkForeignCode?: ForeignCodeCheck;
}

/** An evaluation to be started. */
export interface NewEvaluation {
  /** Default: a new one. */
  readonly id?: string;
  /** A version that may be evaluated while it awaits approval, because its evaluation decides the approval. */
  readonly acceptsPending?: string;
  readonly set: string;
  /** `digits/3`, or `digits` for the latest Approved version. */
  readonly models: readonly string[];
  /** Labels that a model cannot answer count as errors; otherwise they reject the model. */
  readonly skipsBadLabels: boolean;
}

interface Running {
  stored: StoredEvaluation;
  readonly abort: AbortController;
  /** The last write, so that states are written in order. */
  written: Promise<unknown>;
  ended: Promise<void>;
}

/** Evaluations in progress; their transforms run two at a time. */
const runningMax = 20;
const reasonMax = 1024;

const eventKindOf = {
  InProgress: 'evaluation.in-progress',
  Completed: 'evaluation.completed',
  Failed: 'evaluation.failed',
  Stopped: 'evaluation.stopped',
} as const satisfies Record<EvaluationState, EventKind>;

/** All evaluations of a server, with the sets and the answers that they share. */
export class Evaluations {
  readonly sets: EvaluationSets;
  readonly answers: StoredAnswers;
  /** The tests behind certificates. */
  readonly tests: SelectionTests;
  readonly #options: EvaluationsOptions;
  readonly #rows: EvaluationRows;
  readonly #runs: CandidateRuns;
  readonly #running = new Map<string, Running>();
  /** Being stored, and not in progress yet: many may be requested at once. */
  #starting = 0;

  constructor(options: EvaluationsOptions) {
    const { registry, db } = options;
    this.#options = options;
    this.#rows = new EvaluationRows(db);
    this.answers = new StoredAnswers({ rows: this.#rows, files: registry.files });
    this.tests = new SelectionTests({ db, rows: this.#rows, answers: this.answers });
    // One that has ended still cleans up.
    const isInUse = (key: string): boolean =>
      [...this.#running.values()].some(({ stored }) => stored.setKey === key && stored.state === 'InProgress');
    this.sets = new EvaluationSets({ ...options, rows: this.#rows, files: registry.files, isInUse });
    this.#runs = new CandidateRuns({ ...options, rows: this.#rows });
  }

  /** Continues evaluations that a restart or crash of the server interrupted. Call after transforms were opened. */
  async open(): Promise<void> {
    const open = await this.#rows.inProgress();
    await this.#runs.removeOthers(open.map(({ id }) => id));
    for (const stored of open) this.#start(stored);
  }

  /** Leaves running evaluations to the next server. */
  async close(): Promise<void> {
    for (const { abort } of this.#running.values()) abort.abort(new Error('closing'));
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** Throws `invalid_request`, `not_found`, `wrong_state`, `unsupported`, `forbidden`. */
  async create(
    { set: setName, models, skipsBadLabels, id = randomUUID(), acceptsPending }: NewEvaluation,
    who: string,
  ): Promise<EvaluationView> {
    const { registry, clock, audit, checkForeignCode } = this.#options;
    if (models.length === 0 || models.length > candidatesMax)
      throw new PlatformError('invalid_request', `expected 1 to ${candidatesMax} models, got ${models.length}`);
    const set = await this.sets.stored(setName);
    const candidates = new Map<string, EvaluationCandidate>();
    for (const reference of models) {
      const version = await registry.resolve(reference);
      checkCandidate(version, set.metric === 'accuracy', version.name === acceptsPending);
      checkForeignCode?.(version, who);
      const artifactKey = artifactKeyOf(version);
      candidates.set(version.name, { group: version.group, version: version.version, artifactKey, state: 'InProgress', reason: null });
    }
    if (this.#running.size + this.#starting >= runningMax)
      throw new PlatformError('wrong_state', `${runningMax} evaluations are in progress, which is the limit: wait for one to end`);
    const stored: StoredEvaluation = {
      id,
      setKey: setKeyOf(set.name),
      state: 'InProgress',
      reason: null,
      candidates: [...candidates.values()],
      skipsBadLabels,
      ...(acceptsPending === undefined ? {} : { acceptsPending }),
      pairs: [],
      createdBy: who,
      createdAtMs: clock.wallMs(),
      endedAtMs: null,
    };
    const detail = { set: set.name, models: [...candidates.keys()].join(', ') };
    this.#starting++;
    try {
      await this.#rows.add(stored, (tx) => audit.record(tx, { who, action: 'CreateEvaluation', target: stored.id, outcome: 'ok', detail }));
      await this.#publish(stored);
      this.#start(stored);
    } finally {
      this.#starting--;
    }
    return this.get(stored.id);
  }

  async find(id: string): Promise<EvaluationView | null> {
    const stored = await this.#rows.find(id);
    return stored === null ? null : this.#viewOf(stored);
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<EvaluationView> {
    return this.#viewOf(await this.#stored(id));
  }

  async list(page: EvaluationPage): Promise<EvaluationView[]> {
    return Promise.all((await this.#rows.list(page)).map((stored) => this.#viewOf(stored)));
  }

  /** Throws `not_found`, `wrong_state` if it has ended. */
  async stop(id: string, who: string): Promise<EvaluationView> {
    const { clock, audit, db } = this.#options;
    const running = this.#running.get(id);
    const { state } = await this.#stored(id);
    if (running === undefined || state !== 'InProgress')
      throw new PlatformError('wrong_state', `evaluation ${id} is ${state}: only an evaluation in progress can be stopped`);
    // It may complete before it notices. Only then is its state final.
    running.abort.abort(new Error('stopped'));
    await running.ended;
    const { state: last } = running.stored;
    if (last !== 'InProgress') throw new PlatformError('wrong_state', `evaluation ${id} is ${last}: it ended before it could be stopped`);
    const candidates = running.stored.candidates.map((each) =>
      each.state === 'InProgress' ? { ...each, state: 'Stopped' as const } : each,
    );
    await this.#write(running, { state: 'Stopped', candidates, endedAtMs: clock.wallMs() });
    await audit.record(db, { who, action: 'StopEvaluation', target: id, outcome: 'ok', detail: {} });
    await this.#runs.stop(running.stored, who);
    await this.#publish(running.stored);
    return this.get(id);
  }

  /** The answers of a completed evaluation, row by row. Throws `not_found`, `wrong_state`. */
  async answersOf(id: string): Promise<SetAnswers> {
    const { state, setKey, candidates } = await this.#stored(id);
    if (state === 'InProgress') throw new PlatformError('wrong_state', `evaluation ${id} is in progress: wait until it has completed`);
    const done = candidates.filter((each) => each.state === 'Completed');
    return this.answers.read(
      setKey,
      done.map(({ group, version, artifactKey }) => ({ name: `${group}/${version}`, artifactKey })),
    );
  }

  /** All outcomes of a version, newest first, with their sets. */
  async outcomesOf(version: ModelVersion): Promise<(StoredOutcomes & { readonly set: SetView })[]> {
    const found = await this.#rows.outcomesOfArtifact(artifactKeyOf(version));
    return Promise.all(found.map(async ({ setKey, ...outcomes }) => ({ ...outcomes, set: await this.sets.get(setKey) })));
  }

  #start(stored: StoredEvaluation): void {
    const { log } = this.#options;
    const running: Running = { stored, abort: new AbortController(), written: Promise.resolve(), ended: Promise.resolve() };
    this.#running.set(stored.id, running);
    running.ended = this.#run(running)
      .catch((error: unknown) => log.error({ evaluation: stored.id, error: messageOf(error) }, 'failed to end an evaluation'))
      .finally(() => this.#running.delete(stored.id));
  }

  async #run(running: Running): Promise<void> {
    const { abort, stored } = running;
    try {
      await Promise.all(stored.candidates.map((_, index) => this.#runCandidate(running, index)));
      if (abort.signal.aborted) return;
      await this.#conclude(running);
    } catch (error) {
      if (abort.signal.aborted) return;
      const reason = asPlatformError(error).message.slice(0, reasonMax);
      await this.#write(running, { state: 'Failed', reason, endedAtMs: this.#options.clock.wallMs() });
      await this.#publish(running.stored);
    }
    await this.#runs.remove(stored.id);
  }

  async #runCandidate(running: Running, index: number): Promise<void> {
    const { abort, stored } = running;
    if (stored.candidates[index]?.state !== 'InProgress') return;
    try {
      await this.#runs.run(stored, index, abort.signal);
      await this.#settle(running, index, 'Completed', null);
    } catch (error) {
      if (abort.signal.aborted) return;
      await this.#settle(running, index, 'Failed', asPlatformError(error).message.slice(0, reasonMax));
    }
  }

  async #settle(running: Running, index: number, state: EvaluationState, reason: string | null): Promise<void> {
    if (running.abort.signal.aborted) return;
    await this.#write(running, {
      candidates: running.stored.candidates.map((each, i) => (i === index ? { ...each, state, reason } : each)),
    });
  }

  async #conclude(running: Running): Promise<void> {
    const { clock } = this.#options;
    const failed = running.stored.candidates.filter(({ state }) => state === 'Failed');
    const isFailed = failed.length === running.stored.candidates.length;
    const [first] = failed;
    const pairs = isFailed ? [] : await this.#pairsOf(running.stored);
    if (running.abort.signal.aborted) return;
    await this.#write(running, {
      state: isFailed ? 'Failed' : 'Completed',
      reason: first === undefined ? null : `${first.group}/${first.version}: ${first.reason}`.slice(0, reasonMax),
      pairs,
      endedAtMs: clock.wallMs(),
    });
    await this.#publish(running.stored);
  }

  async #pairsOf(stored: StoredEvaluation) {
    const names = stored.candidates.filter(({ state }) => state === 'Completed');
    const named = names.map(({ group, version, artifactKey }) => ({ name: `${group}/${version}`, artifactKey }));
    const { set, models } = await this.answers.read(stored.setKey, named);
    const input = { models: models.map(({ name, bytes }) => ({ name, outcomes: bytes })), rows: set.rows, isClass: set.classes !== null };
    const work = { name: 'comparing the models', hint: 'use a smaller set' };
    return this.#options.threads.run(compareTask, input, { bytes: set.rows * 24 * models.length, work, lane: 'background' });
  }

  /** Writes the newest state, after earlier writes. A state that has ended is final. */
  async #write(running: Running, change: Partial<StoredEvaluation>): Promise<void> {
    running.stored = { ...running.stored, ...change };
    const { stored } = running;
    running.written = running.written.catch(() => undefined).then(() => this.#rows.update(stored));
    await running.written;
  }

  async #publish({ id, state, reason, setKey }: StoredEvaluation): Promise<void> {
    await this.#options.events.recordAndPublish({ kind: eventKindOf[state], subject: id, detail: { state, reason, set: setKey } });
  }

  async #stored(id: string): Promise<StoredEvaluation> {
    const stored = await this.#rows.find(id);
    if (stored !== null) return stored;
    throw new PlatformError('not_found', `there is no evaluation '${id.slice(0, 80)}'`);
  }

  async #viewOf({ setKey, candidates, acceptsPending: _accepted, ...stored }: StoredEvaluation): Promise<EvaluationView> {
    const set = await this.sets.get(setKey);
    const keys = candidates.map(({ artifactKey }) => artifactKey);
    const outcomes = await this.#rows.outcomesOfSet(setKey, keys);
    const views = candidates.map(async (candidate, index): Promise<CandidateView> => {
      const rowsDone = candidate.state === 'InProgress' ? await this.#runs.rowsDone(stored.id, index) : null;
      const model = `${candidate.group}/${candidate.version}`;
      return {
        ...candidate,
        model,
        outcomes: candidate.state === 'Completed' ? (outcomes.get(candidate.artifactKey) ?? null) : null,
        rowsDone,
      };
    });
    return { ...stored, set, candidates: await Promise.all(views) };
  }
}

/** Throws `wrong_state`, `unsupported` for a version that cannot be evaluated. */
function checkCandidate(version: ModelVersion, isClass: boolean, mayBePending: boolean): void {
  const { name, approval, runtime } = version;
  if (mayBePending && approval === 'PendingManualApproval' && runtime.kind === 'python')
    throw new PlatformError(
      'unsupported',
      `${name} is a Python model, whose code runs only after its approval: it cannot be evaluated before. Approve it by hand, or train an ONNX model`,
    );
  if (approval !== 'Approved' && !(mayBePending && approval === 'PendingManualApproval'))
    throw new PlatformError('wrong_state', `${name} is ${approval}: approve it first (penstock approve ${name})`);
  const obstacle = payloadObstacleOf(version);
  if (obstacle !== null) throw new PlatformError('unsupported', obstacle);
  answerFormOf(name, version.signature, isClass);
}
