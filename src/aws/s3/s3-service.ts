/** The S3 service: resolves a verified request to an operation, checks the caller's permission and runs it. */
import type { ServerResponse } from 'node:http';
import type { AwsStreamService, VerifiedRequest } from '../service.ts';
import type { S3Store } from './objects/store.ts';
import { createBucket, deleteBucket, deleteObjects, getBucketLocation, headBucket, listBuckets } from './operations/bucket-operations.ts';
import type { S3Call, S3Operation } from './operations/call.ts';
import { listObjectsV1, listObjectsV2 } from './operations/list-operations.ts';
import { copyObject, deleteObject, getObject, getObjectTagging, headObject, putObject } from './operations/object-operations.ts';
import { deleteSetting, getBucketPolicy, getSetting, putSetting } from './operations/setting-operations.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from './operations/upload-operations.ts';
import { type OperationName, operationOf, s3TargetOf } from './routing.ts';
import { requireAction, s3Actions } from './s3-actions.ts';
import { s3Error } from './s3-errors.ts';

const operations: Readonly<Record<OperationName, S3Operation>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  GetBucketVersioning: getSetting('versioning'),
  GetBucketEncryption: getSetting('encryption'),
  PutBucketEncryption: putSetting('encryption'),
  DeleteBucketEncryption: deleteSetting('encryption'),
  GetBucketOwnershipControls: getSetting('ownershipControls'),
  PutBucketOwnershipControls: putSetting('ownershipControls'),
  DeleteBucketOwnershipControls: deleteSetting('ownershipControls'),
  GetPublicAccessBlock: getSetting('publicAccessBlock'),
  PutPublicAccessBlock: putSetting('publicAccessBlock'),
  DeletePublicAccessBlock: deleteSetting('publicAccessBlock'),
  GetBucketTagging: getSetting('tagging'),
  PutBucketTagging: putSetting('tagging'),
  DeleteBucketTagging: deleteSetting('tagging'),
  PutBucketVersioning: putSetting('versioning'),
  GetBucketPolicy: getBucketPolicy,
  GetBucketPolicyStatus: getBucketPolicy,
  ListObjects: listObjectsV1,
  ListObjectsV2: listObjectsV2,
  ListMultipartUploads: listMultipartUploads,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  CopyObject: copyObject,
  GetObjectTagging: getObjectTagging,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
};

/** Unlike document services it streams bodies both ways, so it gets the request itself. */
export class S3Service implements AwsStreamService {
  readonly name = 's3';
  readonly #store: S3Store;

  constructor(store: S3Store) {
    this.#store = store;
  }

  /** Resolves the operation, then checks the permission, and only then looks at anything stored. */
  async handle(request: VerifiedRequest, response: ServerResponse): Promise<void> {
    const { bucket, key } = s3TargetOf(request);
    // No name contains NUL, and not every database can store it.
    if ([...request.query.values()].some((value) => value.includes('\0')))
      throw s3Error('InvalidArgument', 'The query contains the character NUL.');
    const name = operationOf(request, bucket, key);
    requireAction(request.caller, s3Actions[name], name);
    // `null` is S3's version id of objects in an unversioned bucket.
    if ((request.query.get('versionId') ?? 'null') !== 'null') throw s3Error('NotImplemented', 'Object versions are not supported.');
    const call: S3Call = { request, response, store: this.#store, bucket, key };
    await operations[name](call);
  }
}
