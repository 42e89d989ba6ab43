/** Channels of captured calls: the rows become an object once per job, so that further attempts and `reproduce` train with the same. */
import { PlatformError } from '../../errors.ts';
import type { StoredTraining } from '../rows.ts';
import type { ChannelSource, TrainingChannel, TrainingSpec } from '../spec.ts';
import type { TrainingJob } from '../training-job.ts';
import { joinKey, parseS3Uri, type TrainingBuckets } from './buckets.ts';
import { DownloadFailed } from './channels.ts';

type CapturedSource = Extract<ChannelSource, { kind: 'captured' }>;

/** Captured calls that have labels, injected. */
export interface LabelledCalls {
  /** Throws `not_found` if there is no such endpoint. */
  readonly expect: (endpoint: string) => void;
  /** CSV: a header of the inputs and the label, then a line per row. Throws `not_found` if there are none. */
  readonly rows: (query: Omit<CapturedSource, 'kind'>) => AsyncIterable<Uint8Array>;
}

/** Where captured calls are read from, and where their rows are stored. */
export interface CapturedDataDeps {
  readonly buckets: TrainingBuckets;
  readonly labelled: LabelledCalls;
}

/** The job and what it has downloaded so far. */
export type SnapshotJob = Pick<StoredTraining, 'spec' | 'createdBy'> & { readonly progress: Pick<StoredTraining['progress'], 'data'> };

/**
 * The channel as objects. Captured rows are written to `OUTPUT/JOB/input/CHANNEL/rows.csv`, which only callers that may read captured calls
 * can read. Throws `DownloadFailed`, or the reason of the signal.
 */
export async function channelObjects(
  { buckets, labelled }: CapturedDataDeps,
  { spec, createdBy, progress }: SnapshotJob,
  channel: TrainingChannel,
  signal: AbortSignal,
): Promise<TrainingChannel> {
  const { source, name } = channel;
  if (source.kind === 's3') return channel;
  const known = snapshotOf(channel, progress.data);
  if (known !== null) return known;
  const { bucket } = spec.output;
  const key = joinKey(spec.output.prefix, spec.name, 'input', name, 'rows.csv');
  let failed: unknown = null;
  const rows = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const lines of labelled.rows(source)) {
        signal.throwIfAborted();
        yield lines;
      }
    } catch (error) {
      failed = error;
      throw error;
    }
  };
  try {
    await buckets.put(bucket, key, rows(), { headers: { contentType: 'text/csv', origin: 'input', writer: createdBy } });
  } catch (error) {
    const isOfInput = failed instanceof PlatformError && ['not_found', 'invalid_request'].includes(failed.code);
    if (isOfInput) throw new DownloadFailed(`channel "${name}": ${(failed as PlatformError).message}.`);
    throw failed ?? error;
  }
  return objectAt(channel, bucket, key);
}

/** The spec of another job that trains with the same data: captured rows are not read again. */
export function withSameData({ spec, data }: Pick<TrainingJob, 'spec' | 'data'>): TrainingSpec {
  return {
    ...spec,
    channels: spec.channels.map((channel) => (channel.source.kind === 'captured' ? snapshotOf(channel, data) : null) ?? channel),
  };
}

function snapshotOf(channel: TrainingChannel, data: TrainingJob['data']): TrainingChannel | null {
  const at = parseS3Uri(data[channel.name]?.uri ?? '');
  return at === null ? null : objectAt(channel, at.bucket, at.key);
}

function objectAt(channel: TrainingChannel, bucket: string, key: string): TrainingChannel {
  return { ...channel, source: { kind: 's3', bucket, prefix: key }, isGzip: false };
}
