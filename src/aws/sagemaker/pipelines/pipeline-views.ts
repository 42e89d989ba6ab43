/** Pipelines of the AWS API and their executions, as other interfaces show them: with every step, also those that have not begun. */
import { PlatformError } from '../../../errors.ts';
import { nameKey, sameName } from '../../../names.ts';
import type { Audit } from '../../../records/index.ts';
import { type Database, inTransaction } from '../../../storage/index.ts';
import { nextTurn } from '../../../threads/index.ts';
import type { Documents, StoredDocument } from '../documents.ts';
import { type PipelineDefinition, parseDefinition } from './definition.ts';
import type { ExecutedStep, Execution } from './execution-rows.ts';
import type { Executions } from './executions.ts';
import { asText } from './references.ts';
import { stepKinds } from './step-kinds.ts';

/** A step with its state in one execution. `Waiting` and `Skipped` are not stored, but follow from the other steps. */
export interface GraphStepView {
  readonly name: string;
  readonly type: string;
  /** Steps that come before. */
  readonly after: readonly string[];
  /** The outcome of a condition on which the step depends; null: none. */
  readonly branch: { readonly condition: string; readonly outcome: boolean } | null;
  readonly status: ExecutedStep['status'] | 'Waiting' | 'Skipped';
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly failureReason: string | null;
  /** What it created: the name of a job or model, or `GROUP/VERSION`; null: nothing. */
  readonly made: string | null;
  /** Of a condition. */
  readonly outcome: boolean | null;
  /** The execution whose result was used again. */
  readonly cachedFrom: string | null;
}

/** An execution for the native API and the console. */
export interface ExecutionView
  extends Pick<
    Execution,
    'id' | 'pipeline' | 'status' | 'displayName' | 'description' | 'failureReason' | 'startedBy' | 'createdAtMs' | 'updatedAtMs'
  > {
  readonly parameters: Readonly<Record<string, string>>;
  readonly steps: readonly GraphStepView[];
}

/** A pipeline for the native API and the console. */
export interface GraphPipelineView {
  readonly name: string;
  readonly displayName: string | null;
  readonly description: string | null;
  /** The key whose rights its executions have. */
  readonly who: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly steps: readonly { readonly name: string; readonly type: string }[];
  readonly lastExecution: ExecutionView | null;
}

interface PipelineContent {
  readonly definition: string;
  readonly displayName?: string | null;
  readonly description?: string | null;
  readonly who: string;
}

export interface PipelineViewsDeps {
  readonly documents: Pick<Documents, 'names' | 'find'>;
  readonly executions: Pick<Executions, 'list' | 'find' | 'stop'>;
  readonly db: Database;
  readonly audit: Pick<Audit, 'record'>;
}

export class PipelineViews {
  readonly #deps: PipelineViewsDeps;

  constructor(deps: PipelineViewsDeps) {
    this.#deps = deps;
  }

  /** By name. */
  async list({ limit, offset }: { readonly limit: number; readonly offset: number }): Promise<GraphPipelineView[]> {
    const views: GraphPipelineView[] = [];
    // One after the other: a definition can have a megabyte, and takes as long to parse.
    for (const name of await this.#deps.documents.names('pipeline', { limit, offset })) {
      const stored = await this.#deps.documents.find<PipelineContent>('pipeline', name);
      if (stored !== null) views.push(await this.#viewOf(stored));
      await nextTurn();
    }
    return views;
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<GraphPipelineView> {
    return this.#viewOf(await this.#stored(name));
  }

  /** The newest first. Throws `not_found`. */
  async executions(name: string, { limit, offset }: { readonly limit: number; readonly offset: number }): Promise<ExecutionView[]> {
    await this.#stored(name);
    const found = await this.#newest(name, offset + limit, (execution, index) => (index < offset ? null : executionViewOf(execution)));
    return found.filter((view) => view !== null);
  }

  /** Throws `not_found`. */
  async execution(name: string, id: string): Promise<ExecutionView> {
    return executionViewOf(await this.#found(name, id));
  }

  /** Requests the end with the jobs of its steps, and returns. Throws `not_found`, or `wrong_state` if it is over. */
  async stop(name: string, id: string, who: string): Promise<ExecutionView> {
    const { executions, audit, db } = this.#deps;
    const { pipeline, status } = await this.#found(name, id);
    if (status !== 'Executing' && status !== 'Stopping')
      throw new PlatformError('wrong_state', `execution ${id} of pipeline ${pipeline} is ${status}: only one in progress can be stopped`);
    await executions.stop(id);
    const detail = { execution: id };
    await inTransaction(db, (tx) => audit.record(tx, { who, action: 'StopPipelineExecution', target: pipeline, outcome: 'ok', detail }));
    return this.execution(name, id);
  }

  async #found(name: string, id: string): Promise<Execution> {
    const found = await this.#deps.executions.find(id);
    if (found !== null && sameName(found.pipeline, name)) return found;
    throw new PlatformError('not_found', `there is no execution '${id.slice(0, 80)}' of pipeline '${name.slice(0, 80)}'`);
  }

  async #stored(name: string): Promise<StoredDocument<PipelineContent>> {
    const found = await this.#deps.documents.find<PipelineContent>('pipeline', nameKey(name));
    if (found === null) throw new PlatformError('not_found', `there is no SageMaker pipeline '${name.slice(0, 80)}'`);
    return found;
  }

  #newest<Item>(name: string, limit: number, itemOf: (execution: Execution, index: number) => Item): Promise<Item[]> {
    return this.#deps.executions.list(name, { after: null, descending: true, limit, fromMs: null, toMs: null }, itemOf);
  }

  async #viewOf({ name, content, createdAtMs, updatedAtMs }: StoredDocument<PipelineContent>): Promise<GraphPipelineView> {
    const [last = null] = await this.#newest(name, 1, executionViewOf);
    return {
      name,
      displayName: content.displayName ?? null,
      description: content.description ?? null,
      who: content.who,
      createdAtMs,
      updatedAtMs,
      steps: parseDefinition(content.definition).steps.map((step) => ({ name: step.name, type: step.type })),
      lastExecution: last,
    };
  }
}

/** Pure. */
export function executionViewOf({
  definition,
  parameters,
  steps,
  who: _who,
  parallelMax: _parallelMax,
  ...execution
}: Execution): ExecutionView {
  const isOver = execution.status !== 'Executing' && execution.status !== 'Stopping';
  const of = (step: PipelineDefinition['steps'][number]): GraphStepView => {
    const { name, type, after, branch } = step;
    const record = steps.find((each) => each.name === name);
    const shown = { name, type, after, branch };
    if (record === undefined) return { ...shown, status: isOver ? 'Skipped' : 'Waiting', ...notBegun };
    const { status, startedAtMs, endedAtMs, failureReason, outcome, cachedFrom } = record;
    return { ...shown, status, startedAtMs, endedAtMs, failureReason, outcome, cachedFrom, made: madeBy(record, type) };
  };
  const texts = Object.entries(parameters).map(([name, value]) => [name, asText(value)] as const);
  return { ...execution, parameters: Object.fromEntries(texts), steps: parseDefinition(definition).steps.map(of) };
}

const notBegun = { startedAtMs: null, endedAtMs: null, failureReason: null, outcome: null, cachedFrom: null, made: null } as const;

function madeBy({ arn, resource }: ExecutedStep, type: keyof typeof stepKinds): string | null {
  if (arn === null || stepKinds[type] === undefined) return null;
  // Jobs keep the case of their names, which ARNs do not.
  return type === 'RegisterModel' ? (/model-package\/(.+)$/.exec(arn)?.[1] ?? null) : resource;
}
