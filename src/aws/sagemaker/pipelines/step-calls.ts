/** Calls the operations behind the steps of an execution, with the rights of its key, and reads what references stand for. */
import { type Caller, hasPermission, permissionFor, roles, weakestRoleWith } from '../../../access/index.ts';
import { parseJsonWithin } from '../../../codecs/index.ts';
import { messageOf, PlatformError } from '../../../errors.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOutput, permissionOf } from '../../service.ts';
import { checkInput } from '../../shapes/check-input.ts';
import { shapesOf } from '../../shapes/shapes.ts';
import { arnOf } from '../arn.ts';
import type { GraphStep, PipelineDefinition } from './definition.ts';
import type { ExecutePipelineDeps } from './execution-deps.ts';
import type { ExecutedStep, Execution } from './execution-rows.ts';
import { asText, type ReferenceValues } from './references.ts';
import { fitted, type StepKind, stepKinds } from './step-kinds.ts';

/** Reading the JSON of this size holds the event loop for about 10 ms. */
const fileBytesMax = 2 ** 20;
/** That the arguments of a step refer to. */
const objectsMax = 100;
const fileLimits = { depthMax: 64, valuesMax: 100_000, nodesMax: 100_000 };
/** Of a rule, and of a key that was revoked. */
const starterRole = weakestRoleWith(permissionFor('run pipeline'));
const s3Uri = /^s3:\/\/([^/]+)\/(.+)$/s;

/** Runs operations in this process, as if the key of the execution had called them. */
export class StepCalls {
  readonly #deps: ExecutePipelineDeps;
  readonly #execution: Execution;
  readonly #recordOf: (step: string) => ExecutedStep | null;
  readonly #steps: ReadonlyMap<string, GraphStep>;
  /** What Describe says of steps that have succeeded, which does not change: a step may refer to another thousands of times. */
  readonly #results = new Map<string, Promise<unknown>>();

  constructor(
    deps: ExecutePipelineDeps,
    execution: Execution,
    recordOf: (step: string) => ExecutedStep | null,
    { steps }: PipelineDefinition,
  ) {
    this.#deps = deps;
    this.#execution = execution;
    this.#recordOf = recordOf;
    this.#steps = new Map(steps.map((step) => [step.name, step]));
  }

  /** What references stand for now. Objects are read once, because a step may refer to one thousands of times. */
  references(): ReferenceValues {
    const read = new Map<string, Promise<unknown>>();
    const object = (uri: string): Promise<unknown> => {
      const known = read.get(uri);
      if (known !== undefined) return known;
      if (read.size === objectsMax) throw new AwsError('ValidationException', `a step reads at most ${objectsMax} objects`);
      const json = this.#json(uri);
      read.set(uri, json);
      return json;
    };
    return {
      parameter: (name) => this.#execution.parameters[name],
      execution: (name) => this.#fact(name),
      step: (name) => this.#resultOf(name),
      file: async (step, name) => object(await this.#fileUri(step, name)),
      object: async (uri) => object(uri),
    };
  }

  /** Creates the job of a step. Returns its ARN. */
  async create(step: GraphStep, kind: StepKind, resource: string, resolved: Record<string, unknown>): Promise<string> {
    const own = step.type === 'RegisterModel' ? { ClientToken: resource.slice(-36).replace(/^-+/, '') } : { [kind.name]: resource };
    const members = { ...resolved, ...own };
    if (step.type === 'RegisterModel') await this.#expectGroup(members['ModelPackageGroupName' as keyof typeof members]);
    const created = await this.#call(kind.create, members);
    return String(created[kind.arn]);
  }

  described(kind: StepKind, resource: string): Promise<AwsOutput> {
    return this.#call(kind.describe, { [kind.name]: resource });
  }

  /** One that has ended meanwhile stays as it is. */
  async stop({ stop, name }: StepKind, resource: string): Promise<void> {
    if (stop === null) return;
    await this.#call(stop, { [name]: resource }).catch((error: unknown) => {
      if (!(error instanceof AwsError) && !(error instanceof PlatformError && error.code === 'wrong_state')) throw error;
    });
  }

  /** As AWS does it: the group of a model package is created by the first version. */
  async #expectGroup(group: unknown): Promise<void> {
    if (typeof group !== 'string' || group.startsWith('arn:')) return;
    const input = { ModelPackageGroupName: group };
    try {
      await this.#call('DescribeModelPackageGroup', input);
    } catch (error) {
      if (!(error instanceof AwsError) && !(error instanceof PlatformError && error.code === 'not_found')) throw error;
      await this.#call('CreateModelPackageGroup', input);
    }
  }

  /** Throws `forbidden` unless the key still exists and may do it. */
  async #call(operation: string, members: Record<string, unknown>): Promise<AwsOutput> {
    const { operations, awsLocation } = this.#deps;
    const row = operations()[operation];
    const shape = shapesOf('sagemaker').operation(operation)?.input ?? null;
    if (row === undefined) throw new PlatformError('unsupported', `there is no operation ${operation}`);
    const input = checkInput(shape, structuredClone(shape === null ? members : fitted(shape, members)) as Record<string, unknown>);
    const caller = this.#callerFor(row, input);
    const id = `${this.#execution.pipeline}/${this.#execution.id}`;
    const call: AwsCall = {
      ...awsLocation,
      operation,
      caller,
      requestId: id,
      remoteAddress: undefined,
      userAgent: `pipeline:${id}`,
      signal: AbortSignal.abort(), // the current state, without waiting for a change
    };
    return row.run(input, call);
  }

  /** The key that defined the pipeline; values that a start gave lower its role to that of the start. */
  #callerFor(row: Parameters<typeof permissionOf>[0], input: AwsInput): Caller {
    const { access } = this.#deps;
    const { who, pipeline, values, startedBy } = this.#execution;
    const caller = access.callerFor(who);
    const cure = `update pipeline ${pipeline} with another key`;
    if (caller === undefined) throw new PlatformError('forbidden', `the key ${who}, which defined the pipeline, was revoked: ${cure}`);
    const permission = permissionOf(row, input);
    if (permission !== null && !hasPermission(caller.role, permission)) {
      const wanted = weakestRoleWith(permission);
      const has = `the key ${who}, which defined the pipeline, has the role ${caller.role}`;
      throw new PlatformError('forbidden', `${has}, and ${wanted} is needed: ${cure}`);
    }
    if (values === undefined) return caller;
    const starter = (values.key === null ? undefined : access.callerFor(values.key)?.role) ?? starterRole;
    if (permission !== null && !hasPermission(starter, permission)) {
      const wanted = weakestRoleWith(permission);
      const has = `${startedBy.slice(0, 100)}, which started the execution with values of its own, has the role ${starter}`;
      throw new PlatformError(
        'forbidden',
        `${has}, and ${wanted} is needed: start it with the defaults of the pipeline, or with another key`,
      );
    }
    return roles.indexOf(starter) < roles.indexOf(caller.role) ? { ...caller, role: starter } : caller;
  }

  #fact(name: string): unknown {
    const { pipeline, id, createdAtMs } = this.#execution;
    const arn = arnOf(this.#deps.awsLocation, 'pipeline', pipeline);
    const facts: Readonly<Record<string, string>> = {
      PipelineName: pipeline,
      PipelineArn: arn,
      PipelineExecutionId: id,
      PipelineExecutionArn: `${arn}/execution/${id}`,
      StartDateTime: new Date(createdAtMs).toISOString(),
      CurrentDateTime: new Date(this.#deps.clock.wallMs()).toISOString(),
    };
    return facts[name];
  }

  #resultOf(name: string): Promise<unknown> {
    const known = this.#results.get(name);
    if (known !== undefined) return known;
    const read = this.#properties(name);
    this.#results.set(name, read);
    read.catch(() => this.#results.delete(name));
    return read;
  }

  async #properties(name: string): Promise<unknown> {
    const { type } = this.#steps.get(name) as GraphStep;
    const record = this.#recordOf(name);
    if (record === null || record.status !== 'Succeeded') throw new AwsError('ValidationException', `step '${name}' has no result`);
    const kind = stepKinds[type];
    if (kind === undefined) return { Outcome: record.outcome === true ? 'True' : 'False' };
    const described = await this.described(kind, record.resource as string);
    if (type !== 'Tuning') return described;
    const best = { SortBy: 'FinalObjectiveMetricValue', SortOrder: orderOf(described), MaxResults: 50 };
    const trials = await this.#call('ListTrainingJobsForHyperParameterTuningJob', { [kind.name]: record.resource, ...best });
    return { ...described, ...trials };
  }

  async #fileUri(name: string, file: string): Promise<string> {
    const { propertyFiles } = this.#steps.get(name) as GraphStep;
    const { output, path } = propertyFiles.find((each) => each.name === file) as GraphStep['propertyFiles'][number];
    const described = (await this.#resultOf(name)) as { ProcessingOutputConfig?: { Outputs?: readonly OutputMembers[] } };
    const uri = described.ProcessingOutputConfig?.Outputs?.find(({ OutputName }) => OutputName === output)?.S3Output?.S3Uri;
    if (uri === undefined) throw new AwsError('ValidationException', `property file '${file}': step '${name}' has no output '${output}'`);
    return `${uri.replace(/\/+$/, '')}/${path}`;
  }

  async #json(uri: string): Promise<unknown> {
    const [, bucket, key] = s3Uri.exec(uri) ?? [];
    const object = bucket === undefined ? null : await this.#deps.objects.open(bucket, asText(key));
    if (object === null) throw new AwsError('ValidationException', `there is no object ${uri.slice(0, 300)}, which a step reads`);
    try {
      if (object.bytes > fileBytesMax)
        throw new AwsError('ValidationException', `${uri.slice(0, 300)} has ${object.bytes} bytes: a step reads at most ${fileBytesMax}`);
      const chunks: Buffer[] = [];
      for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
      return parseJsonWithin(Buffer.concat(chunks).toString('utf8'), fileLimits);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'invalid_request')
        throw new AwsError('ValidationException', `${uri.slice(0, 300)} is not JSON: ${messageOf(error).slice(0, 300)}`, { cause: error });
      throw error;
    } finally {
      object.close();
    }
  }
}

interface OutputMembers {
  readonly OutputName: string;
  readonly S3Output?: { readonly S3Uri: string };
}

/** The best first. */
function orderOf(described: AwsOutput): 'Ascending' | 'Descending' {
  const config = described['HyperParameterTuningJobConfig'] as { HyperParameterTuningJobObjective?: { Type?: string } } | undefined;
  return config?.HyperParameterTuningJobObjective?.Type === 'Minimize' ? 'Ascending' : 'Descending';
}
