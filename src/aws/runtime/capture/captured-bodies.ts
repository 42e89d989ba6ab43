/** Captured bodies as tensors, decoded with the model that currently serves their variant. */
import { decodeInThread, decodeRows, decodeRowsTask, isShortRows, ModelPlan, type RowInvocation } from '../../../codecs/index.ts';
import type { CaptureReader } from '../../../data-quality/index.ts';
import { asyncRows, type Serving } from '../../../serving/index.ts';
import type { Threads } from '../../../threads/index.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import { decodeBodySomewhere } from '../decode-body.ts';

/** Decoder for the model that serves a variant; null if the variant is not served or is a process. */
export function capturedPlan(serving: Pick<Serving, 'routeToVariant'>, endpoint: string, variant: string): ModelPlan | null {
  try {
    const route = serving.routeToVariant(endpoint, variant);
    return route.payload === 'tensors' ? new ModelPlan(route.endpoint, route.version, route.signature, route.batchable) : null;
  } catch {
    return null; // the variant is no longer served
  }
}

/** The invocations in a captured body; empty if the body is redacted or belongs to another model. */
export async function capturedInvocations(
  threads: Threads,
  plan: ModelPlan,
  contentType: string,
  body: Buffer,
): Promise<readonly Pick<RowInvocation, 'inputs' | 'rows'>[]> {
  const { signature } = plan;
  const isWanted = (): boolean => true;
  try {
    // The native API appends the name of a column that is not an input to the content type.
    const [, label] = /^text\/csv;.*\blabel="([^"]*)"$/.exec(contentType) ?? [];
    if (label !== undefined) {
      const rows = { signature, contentType: 'text/csv', body, label: decodeURIComponent(label), limits: rowLimits };
      if (isShortRows(rows)) return decodeRows(rows);
      return (await decodeInThread(threads, decodeRowsTask, rows, isWanted)).decoded;
    }
    const input = { plan, contentType, accept: undefined, body, limits: rowLimits };
    return (await decodeBodySomewhere(threads, input, isWanted)).decoded.documents.flatMap(({ invocations }) => invocations);
  } catch {
    return [];
  }
}

/** The row limit of asynchronous requests, which is the largest: captured calls were already accepted under some limit. */
const rowLimits = asyncRows({ batchable: false, batchSizeMax: 0 });
const fileBytesMax = 64 * 2 ** 20;

/** Reads capture files. Missing buckets are empty, and objects above `fileBytesMax` are skipped. */
export function captureReader(s3: S3Store): CaptureReader {
  return {
    list: async (bucket, prefix, after) => {
      if ((await s3.bucket(bucket)) === null) return [];
      const from = after === null ? {} : { from: { key: after, inclusive: false } };
      return (await s3.list(bucket, { prefix, ...from, itemsMax: 1000 })).objects.map(({ key }) => key);
    },
    read: async (bucket, key) => {
      const object = await s3.open(bucket, key);
      if (object === null) return null;
      if (object.bytes > fileBytesMax) {
        object.close();
        return null;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of object.stream()) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
  };
}
