/** Operations on buckets, except listings. */

import { element } from '../../wire/xml.ts';
import { s3Error } from '../s3-errors.ts';
import { readDocument, type S3Call, sendEmpty, sendXml } from './call.ts';
import { childText, readXml } from './xml-document.ts';

const deletedAtOnceMax = 1000;
/** Keeps transactions short, so other writers can run in between. */
const deletedInOneStep = 100;
const locationBytesMax = 64 * 1024;

/** All in one page, filtered by `prefix`. The owner is the account. */
export async function listBuckets(call: S3Call): Promise<void> {
  const prefix = call.request.query.get('prefix') ?? '';
  const buckets = (await call.store.buckets()).filter(({ name }) => name.startsWith(prefix));
  const { account } = call.request;
  sendXml(call, 'ListAllMyBucketsResult', [
    element('Owner', [element('ID', account), element('DisplayName', account)]),
    element(
      'Buckets',
      buckets.map(({ name, createdAtMs }) => element('Bucket', [element('Name', name), element('CreationDate', new Date(createdAtMs))])),
    ),
  ]);
}

/** Parses and ignores a requested location: there is only one. */
export async function createBucket(call: S3Call): Promise<void> {
  const body = await call.request.readBody(locationBytesMax);
  if (body.length > 0) readXml(body);
  await call.store.createBucket(call.bucket, call.request.caller.keyId);
  sendEmpty(call, 200, { location: `/${call.bucket}` });
}

/** Its header with the region is what SDKs look for. */
export async function headBucket(call: S3Call): Promise<void> {
  await existing(call);
  sendEmpty(call, 200, { 'x-amz-bucket-region': call.request.region });
}

/** The store rejects a bucket that has objects. */
export async function deleteBucket(call: S3Call): Promise<void> {
  await call.store.deleteBucket(call.bucket, call.request.caller.keyId);
  sendEmpty(call, 204);
}

/** S3 represents `us-east-1` by an empty LocationConstraint, for historical reasons. */
export async function getBucketLocation(call: S3Call): Promise<void> {
  await existing(call);
  const { region } = call.request;
  sendXml(call, 'LocationConstraint', region === 'us-east-1' ? null : region);
}

/** After a failure some objects are already deleted. A retry succeeds, because deleting an absent object is not an error. */
export async function deleteObjects(call: S3Call): Promise<void> {
  const root = await readDocument(call, 'Delete');
  const isQuiet = childText(root, 'Quiet')?.trim() === 'true';
  const objects = root.children.filter(({ name }) => name === 'Object');
  if (objects.length === 0 || objects.length > deletedAtOnceMax)
    throw s3Error('MalformedXML', `Expected 1 to ${deletedAtOnceMax} objects.`);
  const keys = objects.map((object) => childText(object, 'Key') ?? '');
  await existing(call);
  for (let i = 0; i < keys.length; i += deletedInOneStep) await call.store.deleteAll(call.bucket, keys.slice(i, i + deletedInOneStep));
  sendXml(call, 'DeleteResult', isQuiet ? null : keys.map((key) => element('Deleted', element('Key', key))));
}

/** Throws `NoSuchBucket`. */
async function existing({ store, bucket }: S3Call): Promise<void> {
  if ((await store.bucket(bucket)) === null) throw s3Error('NoSuchBucket');
}
