/** Operations on transform jobs. What was ordered is kept as it came; a job of another door is told as one of ours. */
import { checkOrder, type TransformState, type Transforms, type TransformView } from '../../async-inference/index.ts';
import type { PriceTable } from '../../costs/index.ts';
import { PlatformError } from '../../errors.ts';
import { keyOf } from '../../registry/index.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation, type AwsOutput, type AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import type { Documents } from './documents.ts';
import type { DeployableModel } from './endpoint-documents.ts';
import { cutPage, readPage, type SortKey } from './pages.ts';
import { readTags, type Tags } from './tags.ts';
import { membersOf, transformOrderOf } from './transform-order.ts';

export interface TransformJobsOptions {
  readonly transforms: Pick<Transforms, 'create' | 'get' | 'list' | 'stop' | 'settled'>;
  readonly documents: Documents;
  readonly tags: Tags;
  readonly prices: PriceTable;
  /** null where there is no Model of that name. */
  readonly findModel: (name: string) => Promise<DeployableModel | null>;
}

/** Waiters look at once and then every minute: the first look is answered when there is news. */
const heldMs = 2000;
const sortColumns = { CreationTime: 'created_at', Name: 'name_key', Status: 'state' } as const;

export class TransformJobs {
  readonly #options: TransformJobsOptions;

  constructor(options: TransformJobsOptions) {
    this.#options = options;
  }

  operations(): Record<`${'Create' | 'Describe' | 'Stop'}TransformJob` | 'ListTransformJobs', AwsOperation> {
    return {
      CreateTransformJob: (input, call) => this.#create(input, call),
      DescribeTransformJob: ({ TransformJobName }, call) => this.#describe(String(TransformJobName), call),
      StopTransformJob: ({ TransformJobName }, call) => this.#stop(String(TransformJobName), call),
      ListTransformJobs: (input, call) => this.#list(input, call),
    };
  }

  async #create(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const { transforms, documents, tags, prices, findModel } = this.#options;
    const { TransformJobName, Tags: given, ...members } = input;
    const name = String(TransformJobName);
    const words = readTags(given);
    const model = await findModel(String(members['ModelName']));
    if (model === null)
      throw new AwsError('ValidationException', `Could not find model "${arnOf(call, 'model', String(members['ModelName']))}".`);
    const order = transformOrderOf(input, { group: model.group, version: model.version }, prices);
    checkOrder(order);
    const arn = arnOf(call, 'transform-job', name);
    try {
      await transforms.create(order, call.caller.keyId, async (tx) => {
        await documents.put({ kind: 'transform-job', name, content: members }, tx);
        await tags.begin({ type: 'transform-job', name, version: null }, words, {}, tx);
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
    await this.#options.transforms.settled(name, heldMs);
    const view = await this.#find(name);
    const { order, state, reason } = view;
    const stored = await this.#options.documents.find<AwsInput>('transform-job', order.name);
    const ModelName = stored === null ? `${order.group}-${order.version}` : undefined;
    return {
      ...heading(call, view),
      ...(ModelName === undefined ? {} : { ModelName }),
      ...(stored === null ? membersOf(order) : stored.content),
      TransformJobStatus: state,
      ...(reason === null ? {} : { FailureReason: reason }),
      CreationTime: new Date(view.createdAtMs),
      ...(view.startedAtMs === null ? {} : { TransformStartTime: new Date(view.startedAtMs) }),
      ...(view.endedAtMs === null ? {} : { TransformEndTime: new Date(view.endedAtMs) }),
    };
  }

  async #stop(name: string, call: AwsCall): Promise<AwsOutput> {
    const { order, state } = await this.#find(name);
    if (state !== 'InProgress' && state !== 'Stopping') {
      throw new AwsError('ValidationException', `The request was rejected because the transform job is in status ${state}.`);
    }
    await this.#options.transforms.stop(order.name, call.caller.keyId);
    return {};
  }

  async #list(input: AwsInput, call: AwsCall): Promise<AwsOutput> {
    const request = readPage(input, { operation: call.operation, sorts: ['CreationTime', 'Name', 'Status'], orderDefault: 'Descending' });
    const { sortBy, descending, after, limit, ...filters } = request;
    const { LastModifiedTimeAfter, LastModifiedTimeBefore, StatusEquals } = input;
    const found = await this.#options.transforms.list({
      ...filters,
      updatedAfterMs: typeof LastModifiedTimeAfter === 'number' ? LastModifiedTimeAfter : null,
      updatedBeforeMs: typeof LastModifiedTimeBefore === 'number' ? LastModifiedTimeBefore : null,
      state: StatusEquals as TransformState | undefined,
      sortBy: sortColumns[sortBy],
      descending,
      after: after === null ? null : [after[0], after[1]],
      limit: limit + 1,
    });
    const sortKeyOf = ({ order, createdAtMs, state }: TransformView): SortKey => {
      const value = sortBy === 'CreationTime' ? createdAtMs : sortBy === 'Name' ? keyOf(order.name) : state;
      return [value, keyOf(order.name)];
    };
    const { items, next } = cutPage(found, request, sortKeyOf);
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

  async #find(name: string): Promise<TransformView> {
    try {
      return await this.#options.transforms.get(name);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
      throw new AwsError('ResourceNotFound', `Could not find requested job with name: ${name}`, { cause: error });
    }
  }
}

function heading(place: AwsPlace, { order }: TransformView): AwsOutput {
  return { TransformJobName: order.name, TransformJobArn: arnOf(place, 'transform-job', order.name) };
}
