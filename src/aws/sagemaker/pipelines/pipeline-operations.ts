/** Operations on SageMaker pipelines and their executions. Definitions are stored as they were sent. */
import type { Clock } from '../../../clock.ts';
import { nameKey } from '../../../names.ts';
import { type Database, inTransaction, type Transaction } from '../../../storage/index.ts';
import { held, isWaiter, waiterHoldMs } from '../../held-reads.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  changeOperation,
  readOperation,
} from '../../service.ts';
import { arnOf, readReference } from '../arn.ts';
import { ClientTokens } from '../client-tokens.ts';
import type { Documents, StoredDocument } from '../documents.ts';
import { cutPage, readPage } from '../pages.ts';
import { readTags, type Tags } from '../tags.ts';
import { type CheckStepsDeps, checkSteps } from './check-steps.ts';
import { parseDefinition } from './definition.ts';
import type { ExecutedStep, Execution, ExecutionRows } from './execution-rows.ts';
import type { Executions, NewExecution } from './executions.ts';
import { asText } from './references.ts';
import { stepKinds } from './step-kinds.ts';

export interface PipelineOperationsOptions extends CheckStepsDeps {
  readonly db: Database;
  readonly clock: Pick<Clock, 'after' | 'wallMs'>;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly objects: Pick<S3Store, 'open'>;
  readonly executions: Executions;
  readonly rows: ExecutionRows;
}

/** What is stored of a pipeline. */
interface PipelineDocument {
  readonly definition: string;
  readonly displayName: string | null;
  readonly description: string | null;
  readonly roleArn: string;
  readonly parallelMax: number | null;
  /** The key that wrote the definition, and whose rights its executions have. */
  readonly who: string;
  readonly createdBy: string;
  readonly lastRunAtMs: number | null;
}

type Stored = StoredDocument<PipelineDocument>;
type PipelineOperation =
  | `${'Create' | 'Update' | 'Describe' | 'Delete'}Pipeline`
  | `${'Start' | 'Stop' | 'Describe'}PipelineExecution`
  | 'ListPipelines'
  | 'ListPipelineExecutions'
  | 'ListPipelineExecutionSteps'
  | 'ListPipelineParametersForExecution'
  | 'DescribePipelineDefinitionForExecution';

/** Between reading the pipeline and storing its execution. */
class PipelineDeleted extends Error {}

const definitionAudit = { target: 'PipelineName', omit: 'PipelineDefinition' } as const;
const definitionBytesMax = 2 ** 20;
const executionArn = /^(arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:\d{12}:pipeline\/[^/]+)\/execution\/([a-z0-9]{1,64})$/;

export class PipelineOperations {
  readonly #options: PipelineOperationsOptions;
  readonly #tokens: ClientTokens;

  constructor(options: PipelineOperationsOptions) {
    this.#options = options;
    this.#tokens = new ClientTokens(options.documents, options.clock as Clock);
  }

  operations(): Record<PipelineOperation, AwsOperation> {
    return {
      CreatePipeline: changeOperation('change pipeline', (input, call) => this.#create(input, call), definitionAudit),
      UpdatePipeline: changeOperation('change pipeline', (input, call) => this.#update(input, call), definitionAudit),
      DescribePipeline: readOperation('read pipelines', async (input, call) => describePipeline(call, await this.#find(input, call))),
      DeletePipeline: changeOperation('change pipeline', (input, call) => this.#delete(input, call), { target: 'PipelineName' }),
      ListPipelines: readOperation('read pipelines', (input, call) => this.#list(input, call)),
      StartPipelineExecution: changeOperation('run pipeline', (input, call) => this.#start(input, call), { target: 'PipelineName' }),
      StopPipelineExecution: changeOperation('run pipeline', (input, call) => this.#stop(input, call), { target: 'PipelineExecutionArn' }),

      DescribePipelineExecution: readOperation('read pipelines', (input, call) => this.#describe(input, call)),
      ListPipelineExecutions: readOperation('read pipelines', (input, call) => this.#listExecutions(input, call)),
      ListPipelineExecutionSteps: readOperation('read pipelines', (input, call) => this.#listSteps(input, call)),
      ListPipelineParametersForExecution: readOperation('read pipelines', async (input, call) => {
        const { parameters } = await this.#findExecution(input, call);
        return { PipelineParameters: Object.entries(parameters).map(([Name, value]) => ({ Name, Value: asText(value) })) };
      }),
      DescribePipelineDefinitionForExecution: readOperation('read pipelines', async (input, call) => {
        const { definition, createdAtMs } = await this.#findExecution(input, call);
        return { PipelineDefinition: definition, CreationTime: new Date(createdAtMs) };
      }),
    };
  }

  /** Starts an execution on behalf of a rule, once for each delivery, which a killed server repeats. False if there is no such pipeline. */
  async startByEvent(name: string, parameters: Readonly<Record<string, string>>, by: string, delivery: string): Promise<boolean> {
    const found = await this.#options.documents.find<PipelineDocument>('pipeline', name);
    if (found === null) return false;
    const start = { parameters, startedBy: by, isStartedByKey: false, displayName: null, description: null, parallelMax: null };
    const answer = await this.#tokens.once('delivery of a rule', { ClientToken: delivery }, async (store) => {
      const begun = await this.#begin(found, start, (_execution, tx) => store({ isStarted: true }, {}, tx));
      return { isStarted: begun !== null };
    });
    return answer['isStarted'] === true;
  }

  /** The name must be free in both APIs: pipelines that `penstock pipeline apply` made share it. */
  #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { ClientRequestToken: token, ...members } = input;
    return this.#tokens.once('CreatePipeline', { ...members, ClientToken: token }, async (store) => {
      const { db, documents, tags } = this.#options;
      const { name } = readReference(call, 'pipeline', String(input['PipelineName']));
      const newTags = readTags(input['Tags']);
      const definition = await this.#definitionOf(input, call);
      const { keyId } = call.caller;
      const content: PipelineDocument = {
        ...writtenMembers(input),
        definition,
        who: keyId,
        createdBy: keyId,
        lastRunAtMs: null,
      } as PipelineDocument;
      const answer = { PipelineArn: arnOf(call, 'pipeline', name) };
      await inTransaction(db, async (tx) => {
        const applied = await tx.selectFrom('pipelines').select('name').where('name_key', '=', nameKey(name)).executeTakeFirst();
        if (applied !== undefined || !(await documents.add({ kind: 'pipeline', name, content }, tx)))
          throw nameTaken(name, applied !== undefined);
        await tags.begin({ type: 'pipeline', name, version: null }, newTags, {}, tx);
        await store(answer, {}, tx);
      });
      return answer;
    });
  }

  async #update(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { documents } = this.#options;
    const found = await this.#find(input, call);
    const hasDefinition = input['PipelineDefinition'] !== undefined || input['PipelineDefinitionS3Location'] !== undefined;
    const definition = hasDefinition ? await this.#definitionOf(input, call) : null;
    await documents.change<PipelineDocument>('pipeline', found.name, (content) => ({
      ...content,
      ...writtenMembers(input),
      // The key that writes the definition lends its rights from now on. One that changes a description may not have read it.
      ...(definition === null ? {} : { definition, who: call.caller.keyId }),
    }));
    return { PipelineArn: arnOf(call, 'pipeline', found.name) };
  }

  async #delete(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { documents, tags, rows } = this.#options;
    const { name } = await this.#find(input, call);
    await rows.transact(async (tx) => {
      const open = await rows.unfinishedOf(tx, name);
      if (open !== null)
        throw new AwsError('ConflictException', `Pipeline ${name} has an execution with status ${open.status}: stop it first.`);
      await documents.remove('pipeline', name, tx);
      await tags.discard({ type: 'pipeline', name, version: null }, tx);
      await rows.removeOf(tx, name);
    });
    return { PipelineArn: arnOf(call, 'pipeline', name) };
  }

  /**
   * The database filters by `contains`. What contains the prefix elsewhere is left out afterwards, so a page can be shorter than its limit.
   */
  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { PipelineNamePrefix: prefix, CreatedAfter, CreatedBefore, ...rest } = input;
    const page = { ...rest, CreationTimeAfter: CreatedAfter, CreationTimeBefore: CreatedBefore };
    const request = readPage(page, { operation: call.operation, sorts: ['CreationTime', 'Name'], orderDefault: 'Descending' });
    const nameContains = typeof prefix === 'string' ? prefix.toLowerCase() : '';
    const { items, next } = await this.#options.documents.page<PipelineDocument>('pipeline', { ...request, nameContains });
    const named = items.filter(({ name }) => name.toLowerCase().startsWith(nameContains));
    return { PipelineSummaries: named.map((pipeline) => summarizePipeline(call, pipeline)), ...next };
  }

  #start(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { ClientRequestToken: token, ...members } = input;
    if (input['SelectiveExecutionConfig'] !== undefined)
      throw new AwsError('ValidationException', 'SelectiveExecutionConfig is not supported: steps with a CacheConfig are not run again.');
    return this.#tokens.once('StartPipelineExecution', { ...members, ClientToken: token }, async (store) => {
      const found = await this.#find(input, call);
      const provided = (input['PipelineParameters'] ?? []) as readonly { readonly Name: string; readonly Value: string }[];
      const answerOf = (execution: Execution): AwsOutput => ({ PipelineExecutionArn: arnOfExecution(call, execution) });
      const start = {
        parameters: Object.fromEntries(provided.map(({ Name, Value }) => [Name, Value] as const)),
        startedBy: call.caller.keyId,
        isStartedByKey: true,
        displayName: (input['PipelineExecutionDisplayName'] as string | undefined) ?? null,
        description: (input['PipelineExecutionDescription'] as string | undefined) ?? null,
        parallelMax: parallelOf(input),
      };
      const begun = await this.#begin(found, start, (execution, tx) => store(answerOf(execution), {}, tx));
      if (begun === null) throw pipelineMissing(call, found.name);
      return answerOf(begun);
    });
  }

  /**
   * The execution gets its own copy of the definition, and the rights of the key that wrote it last. `alongside` writes in the same
   * transaction. Null if the pipeline has been deleted meanwhile.
   */
  async #begin(
    { name, content }: Stored,
    provided: Omit<NewExecution, 'pipeline' | 'definition' | 'who'>,
    alongside: (execution: Execution, tx: Transaction) => Promise<void> = async () => undefined,
  ): Promise<Execution | null> {
    const { executions, documents, clock } = this.#options;
    const { definition, who } = content;
    const parallelMax = provided.parallelMax ?? content.parallelMax;
    try {
      return await executions.start({ ...provided, parallelMax, pipeline: name, definition, who }, async (execution, tx) => {
        const started = (stored: PipelineDocument): PipelineDocument => ({ ...stored, lastRunAtMs: clock.wallMs() });
        if (!(await documents.change<PipelineDocument>('pipeline', name, started, tx))) throw new PipelineDeleted();
        await alongside(execution, tx);
      });
    } catch (error) {
      if (error instanceof PipelineDeleted) return null;
      throw error;
    }
  }

  async #stop(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const execution = await this.#findExecution(input, call);
    if (execution.status !== 'Executing' && execution.status !== 'Stopping')
      throw new AwsError(
        'ConflictException',
        `Only pipeline executions with status 'Executing' can be stopped: this one is ${execution.status}.`,
      );
    await this.#options.executions.stop(execution.id);
    return { PipelineExecutionArn: arnOfExecution(call, execution) };
  }

  /** The call of a waiter is held until the execution is over, so that it need not poll. */
  async #describe(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { executions, clock } = this.#options;
    const { id, status } = await this.#findExecution(input, call);
    const isOver = status !== 'Executing' && status !== 'Stopping';
    await held(clock, call, isOver || !isWaiter(call.userAgent) ? 0 : waiterHoldMs, (signal) => executions.ended(id, signal));
    return describeExecution(call, await this.#findExecution(input, call));
  }

  async #listExecutions(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { name } = await this.#find(input, call);
    const page = readPage(input, {
      operation: call.operation,
      sorts: ['CreationTime', 'PipelineExecutionArn'],
      orderDefault: 'Descending',
    });
    const { CreatedAfter: fromMs, CreatedBefore: toMs } = input;
    const found = await this.#options.executions.list(
      name,
      {
        after: page.after,
        descending: page.descending,
        limit: page.limit + 1,
        fromMs: typeof fromMs === 'number' ? fromMs : null,
        toMs: typeof toMs === 'number' ? toMs : null,
      },
      ({ createdAtMs, id, ...execution }) => ({
        key: [createdAtMs, id] as const,
        summary: summarizeExecution(call, { ...execution, createdAtMs, id }),
      }),
    );
    const { items, next } = cutPage(found, page, ({ key }) => key);
    return { PipelineExecutionSummaries: items.map(({ summary }) => summary), ...next };
  }

  /** An execution has few steps, so all that remain are cut here. */
  async #listSteps(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const execution = await this.#findExecution(input, call);
    const page = readPage(input, { operation: call.operation, sorts: ['CreationTime'], orderDefault: 'Descending' });
    const { steps } = parseDefinition(execution.definition);
    const begun = page.descending ? execution.steps.toReversed() : execution.steps;
    const at = page.after === null ? 0 : 1 + begun.findIndex(({ name }) => name === page.after?.[1]);
    const { items, next } = cutPage(begun.slice(at), page, ({ startedAtMs, name }) => [startedAtMs, name]);
    return {
      PipelineExecutionSteps: items.map((step) => {
        const { type, displayName, description } = steps.find(({ name }) => name === step.name) as (typeof steps)[number];
        return describeStep(call, execution, step, { kind: type, displayName, description });
      }),
      ...next,
    };
  }

  /** Throws `ValidationException` for what cannot run here, `forbidden` if the key may not do what a step does. */
  async #definitionOf({ PipelineDefinition: text, PipelineDefinitionS3Location: location }: AwsInput, call: AwsCall): Promise<string> {
    if ((text === undefined) === (location === undefined))
      throw new AwsError('ValidationException', 'expected either PipelineDefinition or PipelineDefinitionS3Location');
    const definition =
      typeof text === 'string' ? text : await this.#read(location as { readonly Bucket: string; readonly ObjectKey: string });
    await checkSteps(this.#options, parseDefinition(definition), call);
    return definition;
  }

  async #read({ Bucket, ObjectKey }: { readonly Bucket: string; readonly ObjectKey: string }): Promise<string> {
    const object = await this.#options.objects.open(Bucket, ObjectKey);
    if (object === null) throw new AwsError('ValidationException', `there is no object s3://${Bucket}/${ObjectKey}`);
    try {
      if (object.bytes > definitionBytesMax)
        throw new AwsError('ValidationException', `the definition has ${object.bytes} bytes: expected at most ${definitionBytesMax}`);
      const chunks: Buffer[] = [];
      for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      object.close();
    }
  }

  async #find({ PipelineName }: AwsInput, call: AwsCall): Promise<Stored> {
    const { name } = readReference(call, 'pipeline', String(PipelineName));
    const found = await this.#options.documents.find<PipelineDocument>('pipeline', name);
    if (found !== null) return found;
    throw pipelineMissing(call, name);
  }

  /** Throws `ResourceNotFound`, also if the execution belongs to another pipeline than its ARN says. */
  async #findExecution({ PipelineExecutionArn: arn }: AwsInput, call: AwsCall): Promise<Execution> {
    const [, pipeline = '', id = ''] = executionArn.exec(String(arn)) ?? [];
    const found = id === '' ? null : await this.#options.executions.find(id);
    if (found !== null && arnOf(call, 'pipeline', found.pipeline) === pipeline) return found;
    throw new AwsError('ResourceNotFound', `Pipeline execution '${String(arn).slice(0, 300)}' does not exist.`);
  }
}

/** Only members that were sent. */
function writtenMembers(input: AwsInput): Partial<PipelineDocument> {
  const { PipelineDisplayName: displayName, PipelineDescription: description, RoleArn: roleArn, ParallelismConfiguration } = input;
  return {
    ...(displayName === undefined ? {} : { displayName: displayName as string }),
    ...(description === undefined ? {} : { description: description as string }),
    ...(roleArn === undefined ? {} : { roleArn: roleArn as string }),
    ...(ParallelismConfiguration === undefined ? {} : { parallelMax: parallelOf(input) }),
  };
}

function parallelOf({ ParallelismConfiguration: config }: AwsInput): number | null {
  return (config as { readonly MaxParallelExecutionSteps?: number } | undefined)?.MaxParallelExecutionSteps ?? null;
}

function pipelineMissing(awsLocation: AwsLocation, name: string): AwsError {
  return new AwsError('ResourceNotFound', `Pipeline '${arnOf(awsLocation, 'pipeline', name)}' does not exist.`);
}

function nameTaken(name: string, isApplied: boolean): AwsError {
  const how = isApplied ? ', applied with penstock pipeline apply' : '';
  return new AwsError(
    'ValidationException',
    `Pipeline names must be unique within an AWS account and region. Pipeline with name (${name}) already exists${how}.`,
  );
}

function describePipeline(awsLocation: AwsLocation, { name, content, createdAtMs, updatedAtMs }: Stored): AwsOutput {
  const { definition, displayName, description, roleArn, parallelMax, lastRunAtMs, createdBy, who } = content;
  return {
    PipelineArn: arnOf(awsLocation, 'pipeline', name),
    PipelineName: name,
    ...optional('PipelineDisplayName', displayName ?? name),
    PipelineDefinition: definition,
    ...optional('PipelineDescription', description),
    RoleArn: roleArn,
    PipelineStatus: 'Active',
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    ...optional('LastRunTime', lastRunAtMs === null ? null : new Date(lastRunAtMs)),
    CreatedBy: userOf(createdBy),
    LastModifiedBy: userOf(who),
    ...optional(
      'ParallelismConfiguration',
      parallelMax === null || parallelMax === undefined ? null : { MaxParallelExecutionSteps: parallelMax },
    ),
  };
}

function summarizePipeline(awsLocation: AwsLocation, { name, content, createdAtMs, updatedAtMs }: Stored): AwsOutput {
  const { displayName, description, roleArn, lastRunAtMs } = content;
  return {
    PipelineArn: arnOf(awsLocation, 'pipeline', name),
    PipelineName: name,
    PipelineDisplayName: displayName ?? name,
    ...optional('PipelineDescription', description),
    RoleArn: roleArn,
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    ...optional('LastExecutionTime', lastRunAtMs === null ? null : new Date(lastRunAtMs)),
  };
}

function describeExecution(awsLocation: AwsLocation, execution: Execution): AwsOutput {
  const { pipeline, displayName, status, description, failureReason, createdAtMs, updatedAtMs, startedBy, parallelMax } = execution;
  return {
    PipelineArn: arnOf(awsLocation, 'pipeline', pipeline),
    PipelineExecutionArn: arnOfExecution(awsLocation, execution),
    PipelineExecutionDisplayName: displayName ?? `execution-${createdAtMs}`,
    PipelineExecutionStatus: status,
    ...optional('PipelineExecutionDescription', description),
    ...optional('FailureReason', failureReason),
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    CreatedBy: userOf(startedBy),
    LastModifiedBy: userOf(startedBy),
    ...optional('ParallelismConfiguration', parallelMax === null ? null : { MaxParallelExecutionSteps: parallelMax }),
  };
}

function summarizeExecution(awsLocation: AwsLocation, execution: Execution): AwsOutput {
  const { status, description, displayName, failureReason, createdAtMs } = execution;
  return {
    PipelineExecutionArn: arnOfExecution(awsLocation, execution),
    StartTime: new Date(createdAtMs),
    PipelineExecutionStatus: status,
    ...optional('PipelineExecutionDescription', description),
    PipelineExecutionDisplayName: displayName ?? `execution-${createdAtMs}`,
    ...optional('PipelineExecutionFailureReason', failureReason),
  };
}

/** `Stopping` is not stored for a step: it follows from the execution. */
function describeStep(
  awsLocation: AwsLocation,
  { pipeline, status: executed }: Execution,
  step: ExecutedStep,
  facts: { readonly kind: keyof typeof stepKinds; readonly displayName: string | null; readonly description: string | null },
): AwsOutput {
  const { name, status, startedAtMs, endedAtMs, failureReason, arn, outcome, cachedFrom } = step;
  const metadata = stepKinds[facts.kind]?.metadata;
  const failed = facts.kind === 'Fail' ? { Fail: { ErrorMessage: failureReason ?? '' } } : null;
  const created = metadata === undefined || arn === null ? null : { [metadata]: { Arn: arn } };
  const decided = outcome === null ? null : { Condition: { Outcome: outcome ? 'True' : 'False' } };
  return {
    StepName: name,
    ...optional('StepDisplayName', facts.displayName),
    ...optional('StepDescription', facts.description),
    StartTime: new Date(startedAtMs),
    ...optional('EndTime', endedAtMs === null ? null : new Date(endedAtMs)),
    StepStatus: status === 'Executing' && executed === 'Stopping' ? 'Stopping' : status,
    ...optional('FailureReason', failureReason),
    ...optional('Metadata', failed ?? decided ?? created),
    AttemptCount: 1,
    ...(cachedFrom === null
      ? {}
      : { CacheHitResult: { SourcePipelineExecutionArn: arnOfExecution(awsLocation, { pipeline, id: cachedFrom }) } }),
  };
}

function arnOfExecution(awsLocation: AwsLocation, { pipeline, id }: Pick<Execution, 'pipeline' | 'id'>): string {
  return `${arnOf(awsLocation, 'pipeline', pipeline)}/execution/${id}`;
}

function userOf(keyId: string): AwsOutput {
  return { IamIdentity: { PrincipalId: keyId } };
}

function optional(name: string, value: unknown): AwsOutput {
  return value === null || value === undefined ? {} : { [name]: value };
}
