/** S3 behind the door: which operation a verified request means, whether its caller may, and who does it. */
import type { ServerResponse } from 'node:http';
import { hasPermission, type Permission } from '../../access/index.ts';
import { AwsError, type AwsStreamService, type VerifiedRequest } from '../service.ts';
import {
  createBucket,
  deleteBucket,
  deleteObjects,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
} from './bucket-operations.ts';
import type { S3Call, S3Operation } from './call.ts';
import { listObjectsV1, listObjectsV2 } from './list-operations.ts';
import { copyObject, deleteObject, getObject, getObjectTagging, headObject, putObject } from './object-operations.ts';
import { type OperationName, operationOf, targetOf } from './routing.ts';
import { refusal } from './s3-errors.ts';
import type { S3Store } from './store.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './upload-operations.ts';

/** What buckets hold may be registered as a model: who writes there must be somebody who may register. */
const operations: Readonly<Record<OperationName, readonly [Permission, S3Operation]>> = {
  ListBuckets: ['read', listBuckets],
  CreateBucket: ['register', createBucket],
  HeadBucket: ['read', headBucket],
  DeleteBucket: ['register', deleteBucket],
  GetBucketLocation: ['read', getBucketLocation],
  GetBucketVersioning: ['read', getBucketVersioning],
  ListObjects: ['read', listObjectsV1],
  ListObjectsV2: ['read', listObjectsV2],
  ListMultipartUploads: ['read', listMultipartUploads],
  DeleteObjects: ['register', deleteObjects],
  PutObject: ['register', putObject],
  GetObject: ['read', getObject],
  HeadObject: ['read', headObject],
  DeleteObject: ['register', deleteObject],
  CopyObject: ['register', copyObject],
  GetObjectTagging: ['read', getObjectTagging],
  CreateMultipartUpload: ['register', createMultipartUpload],
  UploadPart: ['register', uploadPart],
  UploadPartCopy: ['register', uploadPartCopy],
  CompleteMultipartUpload: ['register', completeMultipartUpload],
  AbortMultipartUpload: ['register', abortMultipartUpload],
  ListParts: ['read', listParts],
};

export class S3Service implements AwsStreamService {
  readonly name = 's3';
  readonly #store: S3Store;

  constructor(store: S3Store) {
    this.#store = store;
  }

  async handle(request: VerifiedRequest, response: ServerResponse): Promise<void> {
    const { bucket, key } = targetOf(request);
    // No name has it, and not every database's text can hold it.
    if ([...request.query.values()].some((value) => value.includes('\0')))
      throw refusal('InvalidArgument', 'The query holds the character NUL.');
    const name = operationOf(request, bucket, key);
    const [permission, run] = operations[name];
    const { caller } = request;
    if (!hasPermission(caller.role, permission)) {
      throw new AwsError('AccessDenied', `${caller.keyId} (${caller.role}) is not authorized to perform: s3:${name}`, { httpStatus: 403 });
    }
    if ((request.query.get('versionId') ?? 'null') !== 'null') throw refusal('NotImplemented', 'Versions of objects are not kept.');
    const call: S3Call = { request, response, store: this.#store, bucket, key };
    await run(call);
  }
}
