/** Operations on training jobs. Members are stored as they were sent; those of jobs from other APIs are derived. */
import type { Clock } from '../../../clock.ts';
import { type JobSortColumn, jobSortKey } from '../../../storage/index.ts';
import type { Training, TrainingJob, TrainingJobFilter, TrainingStatus } from '../../../training/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, changeOperation, readOperation } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { cutPage, readJobPage } from '../pages.ts';
import type { Searchable } from '../search.ts';
import { readTags, type Tags, tagList } from '../tags.ts';
import { awaitJob, createJob, isPlatformCode } from './job-calls.ts';
import { createdMembers, describeTraining, searchedTraining, summarizeTraining } from './training-description.ts';
import { checkUpdateServed, trainingMembers } from './training-members.ts';
import { createdSpecOf, type TrainingSpecDeps } from './training-spec.ts';

export interface TrainingJobsOptions extends TrainingSpecDeps {
  readonly training: Pick<Training, 'create' | 'find' | 'list' | 'stop' | 'delete' | 'setDocument' | 'changed'>;
  readonly tags: Tags;
  readonly clock: Pick<Clock, 'after' | 'wallMs'>;
}

type TrainingOperation = `${'Create' | 'Describe' | 'Stop' | 'Delete' | 'Update'}TrainingJob` | 'ListTrainingJobs';

/** Jobs per read, if a filter that the database does not support selects only a few of them. */
const scannedAtOnce = 200;

export class TrainingJobOperations {
  readonly #options: TrainingJobsOptions;

  constructor(options: TrainingJobsOptions) {
    this.#options = options;
  }

  operations(): Record<TrainingOperation, AwsOperation> {
    const nameOf = ({ TrainingJobName }: AwsInput): string => String(TrainingJobName);
    return {
      CreateTrainingJob: changeOperation('train', (input, call) => this.#create(input, call)),
      DescribeTrainingJob: readOperation('read training jobs', (input, call) => this.#describe(nameOf(input), call)),
      ListTrainingJobs: readOperation('read training jobs', (input, call) => this.#list(input, call)),
      StopTrainingJob: changeOperation('train', (input, call) => this.#stop(nameOf(input), call)),
      DeleteTrainingJob: changeOperation('train', (input, call) => this.#delete(nameOf(input), call)),
      UpdateTrainingJob: changeOperation('train', (input, call) => this.#update(input, call)),
    };
  }

  /** For Search. */
  readonly searchable: Searchable = {
    names: ['TrainingJobName'],
    all: async (call, { limit }) => {
      const { training, tags } = this.#options;
      const jobs = await training.list({ limit });
      const tagsOf = async (name: string) => tagList(await tags.of({ type: 'training-job', name, version: null }));
      return Promise.all(jobs.map(async (job) => ({ ...searchedTraining(call, job), Tags: await tagsOf(job.spec.name) })));
    },
  };

  async #create({ Tags: tagsInput, ...members }: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const newTags = readTags(tagsInput);
    const spec = createdSpecOf(members, newTags, call, this.#options);
    const arn = await createJob(this.#options, { type: 'training-job', name: spec.name, spec, members, tags: newTags }, call);
    return { TrainingJobArn: arn };
  }

  async #describe(name: string, call: AwsCall): Promise<AwsOutput> {
    return describeTraining(call, await awaitJob(this.#options, name, () => this.#find(name), call));
  }

  async #stop(name: string, call: AwsCall): Promise<AwsOutput> {
    const { status } = await this.#find(name);
    if (status === 'Stopping') return {};
    try {
      await this.#options.training.stop(name, call.caller.keyId);
    } catch (error) {
      if (!isPlatformCode(error, 'wrong_state')) throw isPlatformCode(error, 'not_found') ? notFound(error) : error;
      const { status: ended } = await this.#find(name);
      throw new AwsError('ValidationException', `The request was rejected because the training job is in status ${ended}.`, {
        cause: error,
      });
    }
    return {};
  }

  async #delete(name: string, call: AwsCall): Promise<AwsOutput> {
    const { training, tags } = this.#options;
    const { spec } = await this.#find(name);
    try {
      await training.delete(name, call.caller.keyId);
    } catch (error) {
      if (!isPlatformCode(error, 'wrong_state')) throw isPlatformCode(error, 'not_found') ? notFound(error) : error;
      const { status } = await this.#find(name);
      throw new AwsError('ResourceInUse', `The training job ${spec.name} is ${status}: stop it first.`, { cause: error });
    }
    await tags.discard({ type: 'training-job', name: spec.name, version: null });
    return {};
  }

  /** Stores members that have no effect here, as AWS would show them. */
  async #update(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { TrainingJobName, ResourceConfig: resources, ProfilerConfig: profiler } = input;
    const name = String(TrainingJobName);
    checkUpdateServed(trainingMembers(input));
    const job = await this.#find(name);
    const created = createdMembers(job, call);
    const document = {
      ...created,
      ...(resources === undefined ? {} : { ResourceConfig: { ...(created['ResourceConfig'] as object), ...(resources as object) } }),
      ...(profiler === undefined
        ? {}
        : { ProfilerConfig: { ...(created['ProfilerConfig'] as object | undefined), ...(profiler as object) } }),
    };
    await this.#options.training.setDocument(job.spec.name, document, call.caller.keyId);
    return { TrainingJobArn: arnOf(call, 'training-job', job.spec.name) };
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { request, filter } = readJobPage(input, call.operation);
    const found = await this.#selected(input, { ...filter, status: input.StatusEquals as TrainingStatus | undefined });
    const { items, next } = cutPage(found, request, (job) => sortKeyOf(job, filter.sortBy));
    return { TrainingJobSummaries: items.map((job) => summarizeTraining(call, job)), ...next };
  }

  /** Applies the filters of AWS that need the stored members. */
  async #selected(
    { WarmPoolStatusEquals: pool, TrainingPlanArnEquals: plan }: AwsInput,
    filter: TrainingJobFilter & { readonly sortBy: JobSortColumn },
  ): Promise<readonly TrainingJob[]> {
    const { training } = this.#options;
    if (plan !== undefined || (pool !== undefined && pool !== 'Terminated')) return [];
    if (pool === undefined) return training.list(filter);
    const found: TrainingJob[] = [];
    let { after = null } = filter;
    for (;;) {
      const jobs = await training.list({ ...filter, after, limit: scannedAtOnce });
      found.push(...jobs.filter(({ document }) => trainingMembers(document ?? {}).ResourceConfig?.KeepAlivePeriodInSeconds !== undefined));
      const last = jobs.at(-1);
      if (last === undefined || jobs.length < scannedAtOnce || found.length >= filter.limit) return found.slice(0, filter.limit);
      after = sortKeyOf(last, filter.sortBy);
    }
  }

  /** The API model says `ResourceNotFound`, but the service returns `ValidationException`, and clients expect that. */
  async #find(name: string): Promise<TrainingJob> {
    const job = await this.#options.training.find(name);
    if (job === null) throw notFound();
    return job;
  }
}

function sortKeyOf({ spec, createdAtMs, status: state }: TrainingJob, sortBy: JobSortColumn): ReturnType<typeof jobSortKey> {
  return jobSortKey({ name: spec.name, createdAtMs, state }, sortBy);
}

function notFound(cause?: unknown): AwsError {
  return new AwsError('ValidationException', 'Requested resource not found.', { cause });
}
