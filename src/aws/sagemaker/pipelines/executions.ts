/** All executions of SageMaker pipelines of a server: started, stopped, and continued after a restart. */
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../../errors.ts';
import { withoutOrigin } from '../../../records/index.ts';
import type { Transaction } from '../../../storage/index.ts';
import { AwsError } from '../../service.ts';
import type { SortKey } from '../pages.ts';
import { type ParameterValue, type PipelineParameter, parseDefinition, valueOf } from './definition.ts';
import { PipelineExecution, recordExecution } from './execute-pipeline.ts';
import type { ExecutePipelineDeps } from './execution-deps.ts';
import type { Execution } from './execution-rows.ts';

/** An execution to be started; parameters are texts, as clients send them. */
export interface NewExecution
  extends Pick<Execution, 'pipeline' | 'definition' | 'who' | 'startedBy' | 'displayName' | 'description' | 'parallelMax'> {
  readonly parameters: Readonly<Record<string, string>>;
  /** False: a rule starts it. */
  readonly isStartedByKey: boolean;
}

interface Running {
  readonly execution: PipelineExecution;
  readonly ended: Promise<void>;
}

const unfinishedMax = 200;
/** Of the definitions and values of all that run: what is parsed of them takes several times as much memory. */
const charactersMax = 16 * 2 ** 20;

export class Executions {
  readonly #deps: ExecutePipelineDeps;
  readonly #running = new Map<string, Running>();

  constructor(deps: ExecutePipelineDeps) {
    this.#deps = deps;
  }

  /** Continues those of the server before. */
  async open(): Promise<void> {
    for (const execution of await this.#deps.rows.unfinished()) this.#run(execution);
  }

  async close(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { execution } of running) execution.halt();
    await Promise.all(running.map(({ ended }) => ended));
  }

  /**
   * `alongside` writes in the transaction that stores the execution: if it throws, nothing starts. Throws `ValidationException` for parameters
   * that do not fit, `ResourceLimitExceeded` if too many are running.
   */
  async start(
    { parameters, isStartedByKey, ...provided }: NewExecution,
    alongside: (execution: Execution, tx: Transaction) => Promise<void> = async () => undefined,
  ): Promise<Execution> {
    const { rows, clock, events } = this.#deps;
    const nowMs = clock.wallMs();
    const execution: Execution = {
      ...provided,
      id: randomBytes(6).toString('hex'),
      ...valuesOf(provided.definition, parameters, isStartedByKey ? provided.startedBy : null),
      status: 'Executing',
      steps: [],
      failureReason: null,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    };
    const event = await rows.transact(async (tx) => {
      const { count, characters } = await rows.unfinishedSize(tx);
      if (count >= unfinishedMax)
        throw new AwsError(
          'ResourceLimitExceeded',
          `${count} executions of pipelines are running: at most ${unfinishedMax} can run at once`,
        );
      if (count > 0 && characters + execution.definition.length > charactersMax)
        throw new AwsError(
          'ResourceLimitExceeded',
          `the definitions of the running executions and of this one have more than ${charactersMax} characters: wait until one has ended`,
        );
      await rows.add(tx, execution);
      await alongside(execution, tx);
      return recordExecution(events, tx, execution, null);
    });
    this.#run(execution);
    events.publish(event);
    return execution;
  }

  async stop(id: string): Promise<void> {
    await this.#running.get(id)?.execution.stop();
  }

  async find(id: string): Promise<Execution | null> {
    return this.#running.get(id)?.execution.execution ?? (await this.#deps.rows.find(id));
  }

  list<Item>(
    pipeline: string,
    page: { after: SortKey | null; descending: boolean; limit: number; fromMs: number | null; toMs: number | null },
    itemOf: (execution: Execution, index: number) => Item,
  ): Promise<Item[]> {
    return this.#deps.rows.list(pipeline, page, itemOf);
  }

  /** Resolves at the end of the execution, or when the signal aborts. */
  async ended(id: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    await Promise.race([this.#running.get(id)?.ended ?? Promise.resolve(), promise]);
  }

  #run(stored: Execution): void {
    const { log } = this.#deps;
    const execution = new PipelineExecution(this.#deps, stored);
    const ended = withoutOrigin(() => execution.run())
      .catch((error: unknown) =>
        log.error({ pipeline: stored.pipeline, error: messageOf(error) }, 'failed to end an execution of a pipeline'),
      )
      .finally(() => this.#running.delete(stored.id));
    this.#running.set(stored.id, { execution, ended });
  }
}

/** `key`: that of the start; null for a rule. */
function valuesOf(
  definition: string,
  provided: Readonly<Record<string, string>>,
  key: string | null,
): Pick<Execution, 'parameters' | 'values'> {
  const { parameters: defined } = parseDefinition(definition);
  const parameters = parameterValues(defined, provided);
  const isOwn = defined.some((each) => each.otherwise === null || parameters[each.name] !== valueOf(each, each.otherwise));
  return isOwn ? { parameters, values: { key } } : { parameters };
}

/** With the defaults of those that were not provided. */
function parameterValues(
  parameters: readonly PipelineParameter[],
  provided: Readonly<Record<string, string>>,
): Record<string, ParameterValue> {
  const unknown = Object.keys(provided).find((name) => !parameters.some((parameter) => parameter.name === name));
  if (unknown !== undefined) {
    const known = parameters.map(({ name }) => name).join(', ') || 'none';
    throw new AwsError('ValidationException', `unknown parameter '${unknown.slice(0, 80)}': expected one of ${known}`);
  }
  return Object.fromEntries(
    parameters.map((parameter) => {
      const value = Object.hasOwn(provided, parameter.name) ? provided[parameter.name] : parameter.otherwise;
      if (value === null || value === undefined)
        throw new AwsError(
          'ValidationException',
          `parameter '${parameter.name}' has no value: it has no default, so the execution must give one`,
        );
      return [parameter.name, valueOf(parameter, value)] as const;
    }),
  );
}
