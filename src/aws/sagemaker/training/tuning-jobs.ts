/** Operations on hyperparameter tuning jobs. Members are stored as they were sent; those of jobs from other APIs are derived. */
import type { PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import type { Tuning, TuningJob, TuningStatus, TuningTrial } from '../../../training/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, changeOperation, readOperation } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { cutPage, readPage } from '../pages.ts';
import { readTags, type Tags } from '../tags.ts';
import { isPlatformCode } from './job-calls.ts';
import type { TrainingSpecDeps } from './training-spec.ts';
import { describeTuning, summarizeTuning, trialSummary, tuningSpecOf } from './tuning-members.ts';

export interface TuningJobsOptions extends TrainingSpecDeps {
  readonly tuning: Tuning;
  readonly tags: Tags;
}

type TuningOperation =
  | `${'Create' | 'Describe' | 'Stop' | 'Delete'}HyperParameterTuningJob`
  | 'ListHyperParameterTuningJobs'
  | 'ListTrainingJobsForHyperParameterTuningJob';

/** Database columns of AWS's `SortBy`. */
const sortColumns = { CreationTime: 'created_at', Name: 'name_key', Status: 'state' } as const;

export class TuningJobOperations {
  readonly #options: TuningJobsOptions;

  constructor(options: TuningJobsOptions) {
    this.#options = options;
  }

  operations(): Record<TuningOperation, AwsOperation> {
    const nameOf = ({ HyperParameterTuningJobName }: AwsInput): string => String(HyperParameterTuningJobName);
    return {
      CreateHyperParameterTuningJob: changeOperation('train', (input, call) => this.#create(input, call)),
      DescribeHyperParameterTuningJob: readOperation('read training jobs', async (input, call) =>
        describeTuning(call, await this.#find(nameOf(input))),
      ),
      ListHyperParameterTuningJobs: readOperation('read training jobs', (input, call) => this.#list(input, call)),
      ListTrainingJobsForHyperParameterTuningJob: readOperation('read training jobs', (input, call) => this.#listTrials(input, call)),
      StopHyperParameterTuningJob: changeOperation('train', (input, call) => this.#stop(nameOf(input), call)),
      DeleteHyperParameterTuningJob: changeOperation('train', (input, call) => this.#delete(nameOf(input), call)),
    };
  }

  async #create({ Tags: tagsInput, ...members }: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { tuning, tags } = this.#options;
    const newTags = readTags(tagsInput);
    const { spec, trainingDocument } = tuningSpecOf(members, call, this.#options);
    const arn = arnOf(call, 'hyper-parameter-tuning-job', spec.name);
    const resource = { type: 'hyper-parameter-tuning-job', name: spec.name, version: null } as const;
    try {
      await tuning.create(spec, call.caller.keyId, {
        document: members,
        trainingDocument,
        hook: async (tx) => {
          await tags.discard(resource, tx); // of a deleted job of this name
          await tags.begin(resource, newTags, {}, tx);
        },
      });
    } catch (error) {
      if (isPlatformCode(error, 'already_exists')) {
        const text = `Tuning job names must be unique within an AWS account and Region, and a tuning job with this name already exists (${arn})`;
        throw new AwsError('ResourceInUse', text, { cause: error });
      }
      if (isPlatformCode(error, 'overloaded'))
        throw new AwsError('ResourceLimitExceeded', (error as PlatformError).message, { cause: error });
      if (isPlatformCode(error, 'unsupported'))
        throw new AwsError('ValidationException', (error as PlatformError).message, { cause: error });
      throw error;
    }
    return { HyperParameterTuningJobArn: arn };
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const request = readPage(input, { operation: call.operation, sorts: ['Name', 'CreationTime', 'Status'], orderDefault: 'Ascending' });
    const { LastModifiedTimeAfter, LastModifiedTimeBefore, StatusEquals } = input;
    const sortBy = sortColumns[request.sortBy];
    const found = await this.#options.tuning.list({
      status: StatusEquals as TuningStatus | undefined,
      nameContains: request.nameContains,
      createdAfterMs: request.createdAfterMs,
      createdBeforeMs: request.createdBeforeMs,
      updatedAfterMs: typeof LastModifiedTimeAfter === 'number' ? LastModifiedTimeAfter : null,
      updatedBeforeMs: typeof LastModifiedTimeBefore === 'number' ? LastModifiedTimeBefore : null,
      sortBy,
      descending: request.descending,
      after: request.after === null ? null : [request.after[0], request.after[1]],
      // One more than the limit shows whether there is another page.
      limit: request.limit + 1,
    });
    const sortKeyOf = ({ spec, createdAtMs, status }: TuningJob): readonly [string | number, string] => {
      const key = nameKey(spec.name);
      return [{ name_key: key, created_at: createdAtMs, state: status }[sortBy], key];
    };
    const { items, next } = cutPage(found, request, sortKeyOf);
    return { HyperParameterTuningJobSummaries: items.map((job) => summarizeTuning(call, job)), ...next };
  }

  /** A tuning job has few trials, so they are sorted here. */
  async #listTrials(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const job = await this.#find(String(input['HyperParameterTuningJobName']));
    const request = readPage(input, {
      operation: call.operation,
      sorts: ['Name', 'CreationTime', 'Status', 'FinalObjectiveMetricValue'],
      orderDefault: 'Ascending',
    });
    const { sortBy, descending, after, limit } = request;
    const statusOf = ({ status }: TuningTrial): string => (status === 'Waiting' ? 'InProgress' : status);
    const sortKeyOf = (trial: TuningTrial): readonly [string | number, string] => {
      const value = {
        Name: trial.job,
        CreationTime: trial.createdAtMs,
        Status: statusOf(trial),
        FinalObjectiveMetricValue: String(trial.objective),
      };
      return [value[sortBy], trial.job];
    };
    const byValue = sortBy === 'FinalObjectiveMetricValue';
    const direction = descending ? -1 : 1;
    const compare = (a: readonly [string | number, string], b: readonly [string | number, string]): number =>
      direction * ((byValue ? Number(a[0]) - Number(b[0]) : compared(a[0], b[0])) || compared(a[1], b[1]));
    const found = (await this.#options.tuning.trials(job.spec.name))
      .filter((trial) => input['StatusEquals'] === undefined || statusOf(trial) === input['StatusEquals'])
      .filter(({ objective }) => !byValue || objective !== null)
      .sort((a, b) => compare(sortKeyOf(a), sortKeyOf(b)))
      .filter((trial) => after === null || compare(sortKeyOf(trial), [after[0], String(after[1])]) > 0);
    const { items, next } = cutPage(found.slice(0, limit + 1), request, sortKeyOf);
    return { TrainingJobSummaries: items.map((trial) => trialSummary(call, job, trial)), ...next };
  }

  async #stop(name: string, call: AwsCall): Promise<AwsOutput> {
    const { spec } = await this.#find(name);
    await this.#options.tuning.stop(spec.name, call.caller.keyId).catch(asValidation);
    return {};
  }

  async #delete(name: string, call: AwsCall): Promise<AwsOutput> {
    const { tuning, tags } = this.#options;
    const { spec } = await this.#find(name);
    await tuning.delete(spec.name, call.caller.keyId).catch(asValidation);
    await tags.discard({ type: 'hyper-parameter-tuning-job', name: spec.name, version: null });
    return {};
  }

  async #find(name: string): Promise<TuningJob> {
    const job = await this.#options.tuning.find(name);
    if (job !== null) return job;
    throw new AwsError('ResourceNotFound', `Amazon SageMaker can't find a tuning job with the name ${name}.`);
  }
}

function asValidation(error: unknown): never {
  if (!isPlatformCode(error, 'wrong_state')) throw error;
  throw new AwsError('ValidationException', (error as PlatformError).message, { cause: error });
}

function compared(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
