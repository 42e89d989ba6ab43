/** Reads captured calls with an S3 client. */
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import type { Server } from './server.ts';

interface CapturedBody {
  readonly observedContentType: string;
  readonly mode: string;
  readonly data: string;
  readonly encoding: string;
}

export interface CapturedLine {
  readonly captureData: { readonly endpointInput?: CapturedBody; readonly endpointOutput?: CapturedBody };
  readonly eventMetadata: { readonly eventId: string; readonly inferenceId?: string; readonly inferenceTime: string };
  readonly eventVersion: string;
}

/** All lines of all files in the bucket. Empty if the bucket does not exist yet. */
export async function captured(server: Server, bucket: string): Promise<{ readonly key: string; readonly line: CapturedLine }[]> {
  const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
  const client = new S3Client({ endpoint: server.url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
  try {
    const found: { key: string; line: CapturedLine }[] = [];
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket })) {
      for (const { Key: key = '' } of Contents) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        const text = (await Body?.transformToString()) ?? '';
        for (const line of text.split('\n').slice(0, -1)) found.push({ key, line: JSON.parse(line) as CapturedLine });
      }
    }
    return found;
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchBucket') return [];
    throw error;
  } finally {
    client.destroy();
  }
}
