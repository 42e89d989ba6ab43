/** Operations on transform jobs. Members are stored as they were sent; those of jobs from other APIs are derived. */
import { checkTransformSpec, type TransformState, type Transforms, type TransformView } from '../../async-inference/index.ts';
import type { Clock } from '../../clock.ts';
import type { PriceTable } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import { type Registry } from '../../registry/index.ts';
import { jobSortKey } from '../../storage/index.ts';
import { held, holdMsOf } from '../held-reads.ts';
import {
  type AwsCall,
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  changeOperation,
  readOperation,
} from '../service.ts';
import { arnOf } from './arn.ts';
import type { Documents } from './documents.ts';
import type { DeployableModel } from './endpoints/endpoint-documents.ts';
import { openedVersion } from './models/opened-version.ts';
import { cutPage, readJobPage } from './pages.ts';
import { readTags, type Tags } from './tags.ts';
import { transformMembersOf, transformSpecOf } from './transform-spec.ts';

export interface TransformJobsOptions {
  readonly clock: Pick<Clock, 'after'>;
  readonly transforms: Pick<Transforms, 'create' | 'get' | 'list' | 'stop' | 'settled'>;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly prices: PriceTable;
  readonly registry: Pick<Registry, 'version' | 'openings'>;
  /** null if no Model has that name. */
  readonly findModel: (name: string) => Promise<DeployableModel | null>;
}

export class TransformJobs {
  readonly #options: TransformJobsOptions;

  constructor(options: TransformJobsOptions) {
    this.#options = options;
  }

  operations(): Record<`${'Create' | 'Describe' | 'Stop'}TransformJob` | 'ListTransformJobs', AwsOperation> {
    return {
      CreateTransformJob: changeOperation('transform', (input, call) => this.#create(input, call)),
      DescribeTransformJob: readOperation('read transforms', ({ TransformJobName }, call) =>
        this.#describe(String(TransformJobName), call),
      ),
      StopTransformJob: changeOperation('transform', ({ TransformJobName }, call) => this.#stop(String(TransformJobName), call)),
      ListTransformJobs: readOperation('read transforms', (input, call) => this.#list(input, call)),
    };
  }

  async #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { transforms, documents, tags, prices, registry, findModel } = this.#options;
    const { TransformJobName, Tags: tagList, ...members } = input;
    const name = String(TransformJobName);
    const newTags = readTags(tagList);
    const model = await findModel(String(members['ModelName']));
    if (model === null)
      throw new AwsError('ValidationException', `Could not find model "${arnOf(call, 'model', String(members['ModelName']))}".`);
    const spec = transformSpecOf(input, { group: model.group, version: model.version }, prices);
    checkTransformSpec(spec);
    const arn = arnOf(call, 'transform-job', name);
    await openedVersion(registry, spec);
    try {
      await transforms.create(spec, call.caller.keyId, async (tx) => {
        await documents.put({ kind: 'transform-job', name, content: members }, tx);
        await tags.begin({ type: 'transform-job', name, version: null }, newTags, {}, tx);
      });
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'already_exists') throw error;
      throw new AwsError(
        'ResourceInUse',
        `Job name must be unique within an AWS account and region, and a job with this name already exists (${arn})`,
        { cause: error },
      );
    }
    return { TransformJobArn: arn };
  }

  async #describe(name: string, call: AwsCall): Promise<AwsOutput> {
    const { transforms, clock } = this.#options;
    const ms = holdMsOf(call);
    await held(clock, call, ms, () => transforms.settled(name, ms));
    const view = await this.#find(name, 'ValidationException');
    const { spec, state, reason } = view;
    const stored = await this.#options.documents.find<AwsInput>('transform-job', spec.name);
    // A job of another API has no Model: it is shown with the version's derived name.
    const ModelName = stored === null ? `${spec.group}-${spec.version}` : undefined;
    return {
      ...heading(call, view),
      ...(ModelName === undefined ? {} : { ModelName }),
      ...(stored === null ? transformMembersOf(spec) : stored.content),
      TransformJobStatus: state,
      ...(reason === null ? {} : { FailureReason: reason }),
      CreationTime: new Date(view.createdAtMs),
      ...(view.startedAtMs === null ? {} : { TransformStartTime: new Date(view.startedAtMs) }),
      ...(view.endedAtMs === null ? {} : { TransformEndTime: new Date(view.endedAtMs) }),
    };
  }

  async #stop(name: string, call: AwsCall): Promise<AwsOutput> {
    const { spec, state } = await this.#find(name);
    if (state !== 'InProgress' && state !== 'Stopping') {
      throw new AwsError('ValidationException', `The request was rejected because the transform job is in status ${state}.`);
    }
    await this.#options.transforms.stop(spec.name, call.caller.keyId);
    return {};
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { request, filter } = readJobPage(input, call.operation);
    const found = await this.#options.transforms.list({ ...filter, state: input.StatusEquals as TransformState | undefined });
    const { items, next } = cutPage(found, request, ({ spec, ...view }) => jobSortKey({ name: spec.name, ...view }, filter.sortBy));
    return {
      TransformJobSummaries: items.map((view) => ({
        ...heading(call, view),
        TransformJobStatus: view.state,
        ...(view.reason === null ? {} : { FailureReason: view.reason }),
        CreationTime: new Date(view.createdAtMs),
        LastModifiedTime: new Date(view.updatedAtMs),
        ...(view.endedAtMs === null ? {} : { TransformEndTime: new Date(view.endedAtMs) }),
      })),
      ...next,
    };
  }

  /** AWS documents `ResourceNotFound`, but DescribeTransformJob reports `ValidationException`. */
  async #find(name: string, code: 'ResourceNotFound' | 'ValidationException' = 'ResourceNotFound'): Promise<TransformView> {
    try {
      return await this.#options.transforms.get(name);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      throw new AwsError(code, `Could not find requested job with name: ${name}`, { cause: error });
    }
  }
}

function heading(awsLocation: AwsLocation, { spec }: TransformView): AwsOutput {
  return { TransformJobName: spec.name, TransformJobArn: arnOf(awsLocation, 'transform-job', spec.name) };
}
