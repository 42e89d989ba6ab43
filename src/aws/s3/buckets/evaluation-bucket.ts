/** The bucket `penstock-evaluations`: what evaluations measured, as `GROUP/N/SET.json`, in the form of model quality reports. */
import { Readable } from 'node:stream';
import type { ListedQualityReport, QualityReports } from '../../../evaluation/index.ts';
import type { ListedObject } from '../objects/listing.ts';
import type { ByteRange } from '../objects/object.ts';
import type { OpenObject } from '../objects/open-object.ts';
import type { ReadOnlyBucket } from './read-only-bucket.ts';

export const evaluationBucketName = 'penstock-evaluations';

/** Shows stored quality reports as objects; nothing is copied. */
export class EvaluationBucket implements ReadOnlyBucket {
  readonly name: string = evaluationBucketName;
  readonly createdAtMs: number;
  readonly #reports: Pick<QualityReports, 'list' | 'read'>;

  /** `createdAtMs` is the creation date that the bucket reports. */
  constructor(reports: Pick<QualityReports, 'list' | 'read'>, createdAtMs: number) {
    this.#reports = reports;
    this.createdAtMs = createdAtMs;
  }

  async objects(): Promise<readonly ListedObject[]> {
    return (await this.#reports.list()).map(listedReport);
  }

  async open(key: string): Promise<OpenObject | null> {
    const report = await this.#reports.read(key);
    if (report === null) return null;
    const { content, sha256 } = report;
    const contentType = 'application/json';
    return {
      ...listedReport({ ...report, bytes: content.length }),
      bucket: this.name,
      id: sha256,
      contentType,
      parts: null,
      headers: { contentType },
      checksums: { sha256: Buffer.from(sha256, 'hex').toString('base64') },
      pieces: [{ position: 1, sha256, bytes: content.length, md5: '', checksums: {} }],
      stream: ({ start, end }: ByteRange = { start: 0, end: content.length }) =>
        Readable.from(start < end ? [content.subarray(start, end)] : []),
      close: () => undefined,
    };
  }
}

function listedReport({ key, bytes, sha256, evaluatedAtMs }: ListedQualityReport): ListedObject {
  return { key, bytes, etag: sha256, modifiedAtMs: evaluatedAtMs };
}
