/**
 * Operations on inference recommendation jobs. Where AWS runs load tests for an hour, the advice comes from stored profiles: a job is usually
 * complete within a second. Jobs are documents; one that a restart interrupted is computed again when it is described.
 */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type ModelVersion, type Registry } from '../../registry/index.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, changeOperation, readOperation } from '../service.ts';
import { arnOf } from './arn.ts';
import type { Documents, StoredDocument } from './documents.ts';
import type { DeployableModel } from './endpoints/endpoint-documents.ts';
import type { PackageRecord } from './models/package-records.ts';
import { pageOfAll, readPage } from './pages.ts';
import { type JudgedConfiguration, type RecommendDeps, recommend, recommendationRequestOf } from './recommend.ts';
import { readTags, type Tags } from './tags.ts';

export interface RecommendationJobsOptions extends RecommendDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly registry: Pick<Registry, 'version'>;
  /** null if no Model has that name. */
  readonly findModel: (name: string) => Promise<DeployableModel | null>;
  /** Throws `ValidationException` if there is no such package. */
  readonly findPackage: (call: AwsCall, reference: unknown) => Promise<Pick<PackageRecord, 'name' | 'version'>>;
}

type JobStatus = 'IN_PROGRESS' | 'COMPLETED' | 'FAILED' | 'STOPPED';

interface StoredJob {
  /** As sent, without tags. */
  readonly members: AwsInput;
  readonly group: string;
  readonly version: number;
  readonly status: JobStatus;
  readonly failure: string | null;
  readonly completedAtMs: number | null;
  readonly judged: readonly JudgedConfiguration[];
}

const kind = 'inference-recommendations-job';
/** A job is held this long for its end, so that the first poll sees it. */
const heldMs = 2000;
const jobsMax = 1000;

type RecommendationOperation =
  | `${'Create' | 'Describe' | 'Stop'}InferenceRecommendationsJob`
  | 'ListInferenceRecommendationsJobs'
  | 'ListInferenceRecommendationsJobSteps';

export class RecommendationJobs {
  readonly #options: RecommendationJobsOptions;
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: RecommendationJobsOptions) {
    this.#options = options;
  }

  operations(): Record<RecommendationOperation, AwsOperation> {
    return {
      CreateInferenceRecommendationsJob: changeOperation('plan', (input, call) => this.#create(input, call)),
      DescribeInferenceRecommendationsJob: readOperation('read model versions', ({ JobName }, call) =>
        this.#describe(String(JobName), call),
      ),
      StopInferenceRecommendationsJob: changeOperation('plan', ({ JobName }) => this.#stop(String(JobName))),
      ListInferenceRecommendationsJobs: readOperation('read model versions', (input, call) => this.#list(input, call)),
      ListInferenceRecommendationsJobSteps: readOperation('read model versions', (input) => this.#steps(input)),
    };
  }

  async #create({ Tags: tagInput, ...members }: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { db, documents, tags } = this.#options;
    const name = String(members['JobName']);
    const newTags = readTags(tagInput);
    recommendationRequestOf(members);
    const { group, version } = await this.#modelOf((members['InputConfig'] ?? {}) as AwsInput, call);
    const job: StoredJob = { members, group, version, status: 'IN_PROGRESS', failure: null, completedAtMs: null, judged: [] };
    const owner = { group, version };
    if ((await documents.all(kind)).length >= jobsMax)
      throw new AwsError(
        'ResourceLimitExceeded',
        `There are ${jobsMax} recommendation jobs, which is the limit. Delete the model version of old ones.`,
      );
    await inTransaction(db, async (tx) => {
      if (!(await documents.add({ kind, name, content: job, owner }, tx)))
        throw new AwsError('ResourceInUse', `A recommendation job with the name ${name} already exists.`);
      await tags.begin({ type: kind, name, version: null }, newTags, owner, tx);
    });
    this.#start(name, job);
    return { JobArn: arnOf(call, kind, name) };
  }

  async #modelOf({ ModelPackageVersionArn, ModelName }: AwsInput, call: AwsCall): Promise<Pick<StoredJob, 'group' | 'version'>> {
    const { findModel, findPackage } = this.#options;
    if (ModelPackageVersionArn !== undefined) {
      const { name, version } = await findPackage(call, ModelPackageVersionArn);
      return { group: name, version: version ?? 1 };
    }
    if (typeof ModelName !== 'string') throw new AwsError('ValidationException', 'InputConfig needs ModelPackageVersionArn or ModelName.');
    const model = await findModel(ModelName);
    if (model === null) throw new AwsError('ValidationException', `Could not find model "${arnOf(call, 'model', ModelName)}".`);
    return { group: model.group, version: model.version };
  }

  #start(name: string, job: StoredJob): void {
    const key = name.toLowerCase();
    if (this.#running.has(key)) return;
    const run = this.#run(name, job).finally(() => this.#running.delete(key));
    this.#running.set(key, run);
  }

  async #run(name: string, { members, group, version }: StoredJob): Promise<void> {
    const { registry, documents, clock } = this.#options;
    let ended: Pick<StoredJob, 'status' | 'failure' | 'judged'>;
    try {
      const model: ModelVersion = await registry.version(group, version);
      const judged = await recommend(model, recommendationRequestOf(members), this.#options);
      const [best] = judged;
      const failure = best === undefined || best.failure !== null ? (best?.failure ?? 'nothing to judge') : null;
      ended = { status: failure === null ? 'COMPLETED' : 'FAILED', failure, judged };
    } catch (error) {
      ended = { status: 'FAILED', failure: messageOf(error), judged: [] };
    }
    await documents.change<StoredJob>(kind, name, (job) =>
      job.status === 'IN_PROGRESS' ? { ...job, ...ended, completedAtMs: clock.wallMs() } : job,
    );
  }

  async #settled(name: string): Promise<StoredDocument<StoredJob>> {
    const { clock } = this.#options;
    const found = await this.#find(name);
    if (found.content.status === 'IN_PROGRESS') this.#start(found.name, found.content);
    const running = this.#running.get(name.toLowerCase());
    if (running === undefined) return found;
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(heldMs, late.resolve);
    await Promise.race([running, late.promise]);
    cancel();
    return this.#find(name);
  }

  async #find(name: string): Promise<StoredDocument<StoredJob>> {
    const found = await this.#options.documents.find<StoredJob>(kind, name);
    if (found !== null) return found;
    throw new AwsError('ResourceNotFound', `Could not find recommendation job ${name}.`);
  }

  async #describe(name: string, call: AwsCall): Promise<AwsOutput> {
    const found = await this.#settled(name);
    const { members, judged } = found.content;
    const { InputConfig, StoppingConditions } = members;
    return {
      ...heading(found, call),
      InputConfig,
      ...(StoppingConditions === undefined ? {} : { StoppingConditions }),
      InferenceRecommendations: judged
        .filter(({ failure }) => failure === null)
        .map((each, i) => ({ RecommendationId: `${found.name}/${i + 1}`, ...described(found.name, each, i) })),
    };
  }

  async #stop(name: string): Promise<AwsOutput> {
    const { documents, clock } = this.#options;
    const { content } = await this.#find(name);
    if (content.status !== 'IN_PROGRESS')
      throw new AwsError('ValidationException', `The request was rejected because the recommendation job is in status ${content.status}.`);
    await documents.change<StoredJob>(kind, name, (job) =>
      job.status === 'IN_PROGRESS' ? { ...job, status: 'STOPPED', completedAtMs: clock.wallMs() } : job,
    );
    return {};
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { StatusEquals, ModelNameEquals, ModelPackageVersionArnEquals, LastModifiedTimeAfter, LastModifiedTimeBefore } = input;
    const request = readPage(input, { operation: call.operation, sorts: ['CreationTime', 'Name', 'Status'], orderDefault: 'Descending' });
    const all = (await this.#options.documents.all<StoredJob>(kind)).filter(({ content, updatedAtMs }) => {
      const { ModelName, ModelPackageVersionArn } = (content.members['InputConfig'] ?? {}) as AwsInput;
      if (typeof LastModifiedTimeAfter === 'number' && updatedAtMs <= LastModifiedTimeAfter) return false;
      if (typeof LastModifiedTimeBefore === 'number' && updatedAtMs >= LastModifiedTimeBefore) return false;
      if (StatusEquals !== undefined && content.status !== StatusEquals) return false;
      if (ModelNameEquals !== undefined && ModelName !== ModelNameEquals) return false;
      return ModelPackageVersionArnEquals === undefined || ModelPackageVersionArn === ModelPackageVersionArnEquals;
    });
    const { items, next } = pageOfAll(all, request, {
      entryOf: (job) => job,
      sortValue: (job, sortBy) =>
        sortBy === 'CreationTime' ? job.createdAtMs : sortBy === 'Name' ? job.name.toLowerCase() : job.content.status,
    });
    return { InferenceRecommendationsJobs: items.map((job) => ({ JobDescription: '', ...heading(job, call) })), ...next };
  }

  async #steps({ JobName, Status }: AwsInput): Promise<AwsOutput> {
    const { name, content } = await this.#settled(String(JobName));
    const steps = content.judged.map((each, i) => ({
      StepType: 'BENCHMARK',
      JobName: name,
      Status: each.failure === null ? 'COMPLETED' : 'FAILED',
      InferenceBenchmark: { ...described(name, each, i), ...(each.failure === null ? {} : { FailureReason: each.failure }) },
    }));
    return { Steps: steps.filter((step) => Status === undefined || step.Status === Status) };
  }
}

function heading({ name, content, createdAtMs, updatedAtMs }: StoredDocument<StoredJob>, call: AwsCall): AwsOutput {
  const { members, status, failure, completedAtMs } = content;
  const { JobType, RoleArn, JobDescription } = members;
  return {
    JobName: name,
    ...(JobDescription === undefined ? {} : { JobDescription }),
    JobType,
    JobArn: arnOf(call, kind, name),
    RoleArn,
    Status: status,
    CreationTime: new Date(createdAtMs),
    LastModifiedTime: new Date(updatedAtMs),
    ...(completedAtMs === null ? {} : { CompletionTime: new Date(completedAtMs) }),
    ...(failure === null ? {} : { FailureReason: failure }),
  };
}

/** A configuration in AWS's form. Its endpoint is a proposal: none was created. */
function described(job: string, each: JudgedConfiguration, index: number): AwsOutput {
  const { instanceType, instances, functions, failure } = each;
  return {
    ...(failure === null
      ? {
          Metrics: {
            CostPerHour: each.usdPerHour,
            CostPerInference: each.usdPerInference,
            MaxInvocations: each.invocationsMax,
            ModelLatency: each.latencyMs,
          },
        }
      : {}),
    EndpointConfiguration: {
      EndpointName: `sm-epc-${job.slice(0, 40)}-${index + 1}`,
      VariantName: 'AllTraffic',
      ...(instanceType === null ? {} : { InstanceType: instanceType, InitialInstanceCount: Math.max(1, instances) }),
      ...(functions === null
        ? {}
        : { ServerlessConfig: { MemorySizeInMB: functions.memoryMiB, MaxConcurrency: functions.maxConcurrency } }),
    },
    ModelConfiguration: {},
  };
}
