/**
 * Operations on the settings of a bucket. Buckets are never public, have one owner and store no object versions, so settings that would
 * promise otherwise are rejected.
 */
import type { SettingName } from '../buckets/bucket-settings.ts';
import { type S3ErrorCode, s3Error } from '../s3-errors.ts';
import { rootOf, type S3Call, type S3Operation, sendEmpty, sendXml, sendXmlText } from './call.ts';
import { childText, type XmlNode } from './xml-document.ts';

interface SettingRules {
  /** The root element of its document. */
  readonly root: string;
  /** The error if it is not set; null if it then has an empty document. */
  readonly missing: S3ErrorCode | null;
  /** Throws for a value that the server could not honour. */
  readonly check?: (document: XmlNode) => void;
}

const rules: Readonly<Record<SettingName, SettingRules>> = {
  encryption: { root: 'ServerSideEncryptionConfiguration', missing: 'ServerSideEncryptionConfigurationNotFoundError' },
  ownershipControls: { root: 'OwnershipControls', missing: 'OwnershipControlsNotFoundError' },
  publicAccessBlock: { root: 'PublicAccessBlockConfiguration', missing: 'NoSuchPublicAccessBlockConfiguration' },
  tagging: { root: 'Tagging', missing: 'NoSuchTagSet' },
  versioning: { root: 'VersioningConfiguration', missing: null, check: checkVersioning },
};

function checkVersioning(document: XmlNode): void {
  if (childText(document, 'Status')?.trim() === 'Suspended') return;
  throw s3Error('NotImplemented', 'Object versions are not supported: expected the Status Suspended.');
}

const settingBytesMax = 64 * 1024;

/** Answers with the stored text; without one, with AWS's error for it or an empty document. */
export function getSetting(setting: SettingName): S3Operation {
  return async (call) => {
    if ((await call.store.bucket(call.bucket)) === null) throw s3Error('NoSuchBucket');
    const { missing, root } = rules[setting];
    const stored = await call.store.settings.get(call.bucket, setting);
    if (stored !== null) return sendXmlText(call, stored);
    if (missing !== null) throw s3Error(missing);
    sendXml(call, root, null);
  };
}

/** Stores the document as it was sent, after its check. */
export function putSetting(setting: SettingName): S3Operation {
  return async (call) => {
    call.store.checkWritable(call.bucket);
    const body = await call.request.readBody(settingBytesMax);
    const { root, check } = rules[setting];
    const document = rootOf(body, root);
    check?.(document);
    await call.store.settings.set(call.bucket, setting, body.toString('utf8'));
    sendEmpty(call, 200);
  };
}

/** Succeeds also for a setting that was never put. */
export function deleteSetting(setting: SettingName): S3Operation {
  return async (call) => {
    call.store.checkWritable(call.bucket);
    await call.store.settings.set(call.bucket, setting, null);
    sendEmpty(call, 204);
  };
}

/** Policies are not supported, so no bucket has one: the role of the calling key decides. */
export async function getBucketPolicy(call: S3Call): Promise<void> {
  if ((await call.store.bucket(call.bucket)) === null) throw s3Error('NoSuchBucket');
  throw s3Error('NoSuchBucketPolicy');
}
