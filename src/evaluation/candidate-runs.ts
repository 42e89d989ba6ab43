/** Runs one candidate of an evaluation: a transform over the set, whose results are then judged and stored. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Transforms, type TransformView, transformDefaults } from '../async-inference/index.ts';
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import { isOutcomeUnknown } from '../storage/index.ts';
import type { Threads } from '../threads/index.ts';
import { type AnswerForm, answerFormOf } from './answer-form.ts';
import { artifactKeyOf, type EvaluationCandidate, type StoredEvaluation } from './evaluation.ts';
import type { EvaluationRows, StoredSet } from './evaluation-rows.ts';
import { setBytesMax, setFormats } from './evaluation-set.ts';
import { judgeTask } from './judge.ts';

/** The part of transforms that evaluations need. */
export type CandidateTransforms = Pick<Transforms, 'create' | 'get' | 'stop' | 'settled'>;

export interface CandidateRunsOptions {
  readonly rows: EvaluationRows;
  readonly registry: Pick<Registry, 'version' | 'files'>;
  readonly transforms: CandidateTransforms;
  readonly threads: Threads;
  readonly clock: Clock;
  readonly directory: string;
}

/** Polling interval of a transform that waits for others. */
const pollMs = 50;
const settledWithinMs = 1000;
const judgeWork = { name: 'judging the answers', hint: 'use a smaller set' };

export class CandidateRuns {
  readonly #options: CandidateRunsOptions;

  constructor(options: CandidateRunsOptions) {
    this.#options = options;
  }

  /** Resolves when outcomes of the candidate are stored. Throws the reason if the candidate failed, or that of the signal. */
  async run(evaluation: StoredEvaluation, index: number, signal: AbortSignal): Promise<void> {
    const { rows, registry } = this.#options;
    const { setKey, id } = evaluation;
    const { group, version: number, artifactKey } = evaluation.candidates[index] as EvaluationCandidate;
    if ((await rows.outcomesOfSet(setKey, [artifactKey])).size > 0) return;
    const set = await rows.findSet(setKey);
    if (set === null) throw new PlatformError('not_found', 'the evaluation set was deleted');
    const version = await registry.version(group, number);
    if (artifactKeyOf(version) !== artifactKey) throw new PlatformError('wrong_state', `${version.name} was deleted and registered again`);
    const form = answerFormOf(version.name, version.signature, set.classes !== null);
    await this.#transform(evaluation, index, set, signal);
    await this.#judge(evaluation, { artifactKey, path: join(this.#folder(id, index), `${set.sha256}.out`) }, { set, version, form });
  }

  /** Stops the transforms of an evaluation that run. */
  async stop({ id, candidates }: StoredEvaluation, who: string): Promise<void> {
    for (const index of candidates.keys()) {
      const view = await this.#find(transformName(id, index));
      if (view?.state === 'InProgress') await this.#options.transforms.stop(view.spec.name, who);
    }
    await this.remove(id);
  }

  /** Rows that the model answered so far. */
  async rowsDone(id: string, index: number): Promise<number> {
    return (await this.#find(transformName(id, index)))?.progress.records ?? 0;
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#options.directory, id), { recursive: true, force: true });
  }

  /** Removes results that a killed server left behind, except those of the given evaluations. */
  async removeOthers(ids: readonly string[]): Promise<void> {
    const found = await readdir(this.#options.directory).catch(() => []);
    for (const id of found) if (!ids.includes(id)) await this.remove(id);
  }

  async #transform(evaluation: StoredEvaluation, index: number, set: StoredSet, signal: AbortSignal): Promise<void> {
    const { transforms, registry, clock } = this.#options;
    const { id, candidates, createdBy } = evaluation;
    const { group, version } = candidates[index] as EvaluationCandidate;
    const name = transformName(id, index);
    const path = await registry.files.fetch(set.sha256); // Also for one that was interrupted.
    if ((await this.#find(name)) === null) {
      const spec = {
        ...transformDefaults,
        name,
        group,
        version,
        input: { kind: 'file', path },
        output: { kind: 'file', path: this.#folder(id, index) },
        contentType: setFormats[set.format],
        accept: setFormats.jsonl,
        ignored: [set.label],
        badRecords: 'mark',
        ...(evaluation.acceptsPending === `${group}/${version}` ? { isPending: true as const } : {}),
      } as const;
      await transforms.create(spec, createdBy);
    }
    for (;;) {
      signal.throwIfAborted();
      const view = await transforms.get(name);
      if (view.state === 'Completed') return;
      if (view.state === 'Failed') throw new PlatformError('model_failed', view.reason ?? 'its transform failed');
      if (view.state === 'Stopped') throw new PlatformError('wrong_state', `its transform ${name} was stopped`);
      await Promise.race([transforms.settled(name, settledWithinMs), aborted(signal)]);
      await pause(clock, pollMs);
    }
  }

  async #judge(
    evaluation: StoredEvaluation,
    { artifactKey, path }: { readonly artifactKey: string; readonly path: string },
    { set, version, form }: { readonly set: StoredSet; readonly version: ModelVersion; readonly form: AnswerForm },
  ): Promise<void> {
    const { rows, threads, registry, clock } = this.#options;
    const { rows: count, classes } = set;
    const labels = await readFile(await registry.files.fetch(set.labelsSha256));
    const input = { path, form, rows: count, labels, classes, skipsBadLabels: evaluation.skipsBadLabels };
    const judged = await threads.run(judgeTask, input, { bytes: labels.length, work: judgeWork, lane: 'background' });
    const held = registry.files.hold();
    let mayBeNeeded = false;
    try {
      const { sha256 } = await held.store(judged.outcomes, setBytesMax);
      await rows.addOutcomes(evaluation.setKey, {
        artifactKey,
        sha256,
        evaluation: evaluation.id,
        model: version.name,
        classes: judged.classes,
        quality: judged.quality,
        notes: judged.notes,
        evaluatedBy: evaluation.createdBy,
        evaluatedAtMs: clock.wallMs(),
      });
    } catch (error) {
      mayBeNeeded = isOutcomeUnknown(error);
      throw error;
    } finally {
      await held.release({ mayBeNeeded });
    }
  }

  #folder(id: string, index: number): string {
    return join(this.#options.directory, id, String(index));
  }

  async #find(name: string): Promise<TransformView | null> {
    try {
      return await this.#options.transforms.get(name);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not_found') return null;
      throw error;
    }
  }
}

/** `evaluation-4f9a2e01-0` */
function transformName(id: string, index: number): string {
  return `evaluation-${id.slice(0, 8)}-${index}`;
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
