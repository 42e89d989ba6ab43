/** The contract of object stores on an S3 store that is not Penstock's own. */
import { after, before, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SystemClock } from '../../src/clock.ts';
import { remoteStoreContract } from '../../src/storage/objects/object-store-contract.test.ts';
import { S3Blobs } from '../../src/storage/objects/s3-blobs.ts';
import { startMoto } from './moto.ts';

const moto = await startMoto();

if (typeof moto === 'string') {
  test('an S3 store by other people', { skip: moto }, () => undefined);
} else {
  const credentials = { accessKeyId: 'anyone', secretAccessKey: 'anything' };
  const { endpoint } = moto;
  before(async () => {
    const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: 'models' }));
    client.destroy();
  });
  after(() => moto.stop());
  const location = { bucket: 'models', prefix: 'prod', endpoint, region: null };
  remoteStoreContract('moto', () => S3Blobs.open(location, new SystemClock(), { credentials, partBytes: 5 * 2 ** 20, pageKeys: 5 }));
}
