/** Operations on processing jobs: a kind of training job, with the folders and outputs of the request. */
import type { Clock } from '../../../clock.ts';
import type { PlatformError } from '../../../errors.ts';
import { jobSortKey } from '../../../storage/index.ts';
import { processingJobId, type Training, type TrainingJob, type TrainingStatus } from '../../../training/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, changeOperation, readOperation } from '../../service.ts';
import { cutPage, readJobPage } from '../pages.ts';
import { readTags, type Tags } from '../tags.ts';
import { awaitJob, createJob, isPlatformCode } from './job-calls.ts';
import { describeProcessing, processingSpecOf, summarizeProcessing } from './processing-members.ts';
import type { TrainingSpecDeps } from './training-spec.ts';

export interface ProcessingJobsOptions extends TrainingSpecDeps {
  readonly training: Pick<Training, 'create' | 'find' | 'list' | 'stop' | 'delete' | 'changed'>;
  readonly tags: Tags;
  readonly clock: Pick<Clock, 'after' | 'wallMs'>;
}

type ProcessingOperation = `${'Create' | 'Describe' | 'Stop' | 'Delete'}ProcessingJob` | 'ListProcessingJobs';

export class ProcessingJobOperations {
  readonly #options: ProcessingJobsOptions;

  constructor(options: ProcessingJobsOptions) {
    this.#options = options;
  }

  operations(): Record<ProcessingOperation, AwsOperation> {
    const nameOf = ({ ProcessingJobName }: AwsInput): string => String(ProcessingJobName);
    return {
      CreateProcessingJob: changeOperation('train', (input, call) => this.#create(input, call)),
      DescribeProcessingJob: readOperation('read training jobs', (input, call) => this.#describe(nameOf(input), call)),
      ListProcessingJobs: readOperation('read training jobs', (input, call) => this.#list(input, call)),
      StopProcessingJob: changeOperation('train', (input, call) => this.#stop(nameOf(input), call)),
      DeleteProcessingJob: changeOperation('train', (input, call) => this.#delete(nameOf(input), call)),
    };
  }

  async #create({ Tags: tagsInput, ...members }: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const newTags = readTags(tagsInput);
    const name = String(members['ProcessingJobName']);
    const spec = processingSpecOf(members, this.#options);
    const arn = await createJob(this.#options, { type: 'processing-job', name, spec, members, tags: newTags }, call);
    return { ProcessingJobArn: arn };
  }

  async #describe(name: string, call: AwsCall): Promise<AwsOutput> {
    return describeProcessing(call, await awaitJob(this.#options, processingJobId(name), () => this.#find(name), call));
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { request, filter } = readJobPage(input, call.operation);
    const status = input['StatusEquals'] as TrainingStatus | undefined;
    const found = await this.#options.training.list({ ...filter, status, kind: 'processing' });
    const keyOf = ({ spec, createdAtMs, status: state }: TrainingJob) => jobSortKey({ name: spec.name, createdAtMs, state }, filter.sortBy);
    const { items, next } = cutPage(found, request, keyOf);
    return { ProcessingJobSummaries: items.map((job) => summarizeProcessing(call, job)), ...next };
  }

  async #stop(name: string, call: AwsCall): Promise<AwsOutput> {
    await this.#find(name);
    await this.#options.training.stop(processingJobId(name), call.caller.keyId).catch((error: unknown) => {
      if (!isPlatformCode(error, 'wrong_state')) throw error;
      throw new AwsError('ValidationException', (error as PlatformError).message, { cause: error });
    });
    return {};
  }

  async #delete(name: string, call: AwsCall): Promise<AwsOutput> {
    const { training, tags } = this.#options;
    await this.#find(name);
    await training.delete(processingJobId(name), call.caller.keyId).catch((error: unknown) => {
      if (!isPlatformCode(error, 'wrong_state')) throw error;
      throw new AwsError('ResourceInUse', (error as PlatformError).message, { cause: error });
    });
    await tags.discard({ type: 'processing-job', name, version: null });
    return {};
  }

  async #find(name: string): Promise<TrainingJob> {
    const job = await this.#options.training.find(processingJobId(name));
    if (job !== null) return job;
    throw new AwsError('ValidationException', `Could not find requested job with name: ${name}`);
  }
}
