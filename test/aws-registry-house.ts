/** Groups, packages and Models as AWS's clients ask for them: the operations are called as the door calls them. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { S3Store } from '../src/aws/index.ts';
import { type RegistrySide, registrySide } from '../src/aws/sagemaker/registry-side.ts';
import type { AwsInput, AwsOperation } from '../src/aws/service.ts';
import { VirtualClock } from '../src/clock.ts';
import { PlatformError } from '../src/errors.ts';
import { FileObjectStore } from '../src/storage/index.ts';
import { callOf } from './aws-endpoint-house.ts';
import { type ControlPlane, type ControlPlaneOptions, openControlPlane, plainInspection } from './control-plane.ts';

interface Container {
  readonly Image: string;
  readonly ModelPackageName?: string;
}

interface Changed {
  readonly IamIdentity: { readonly PrincipalId: string };
}

interface PackageAnswer {
  readonly ModelPackageName: string;
  readonly ModelPackageVersion: number;
  readonly InferenceSpecification: { readonly Containers: readonly [Container] };
}

/** Members of the answers that tests look at. */
interface Answer extends PackageAnswer {
  readonly AdditionalInferenceSpecifications: unknown;
  readonly ApprovalDescription: string;
  readonly BatchDescribeModelPackageErrorMap: unknown;
  readonly CreatedBy: Changed;
  readonly CreationTime: unknown;
  readonly CustomerMetadataProperties: unknown;
  readonly FutureMember: unknown;
  readonly LastModifiedBy: Changed;
  readonly LastModifiedTime: Date;
  readonly ModelApprovalStatus: string;
  readonly ModelArn: string;
  readonly ModelLifeCycle: unknown;
  readonly ModelPackageArn: string;
  readonly ModelPackageDescription: string;
  readonly ModelPackageGroupArn: string;
  readonly ModelPackageGroupName: string;
  readonly ModelPackageGroupSummaryList: readonly { readonly ModelPackageGroupName: string }[];
  readonly ModelPackageStatus: string;
  readonly ModelPackageStatusDetails: { readonly ValidationStatuses: unknown };
  readonly ModelPackageSummaries: Readonly<Record<string, PackageAnswer>>;
  readonly ModelPackageSummaryList: readonly PackageAnswer[];
  readonly Models: readonly { readonly ModelName: string }[];
  readonly NextToken?: string;
  readonly PrimaryContainer: Container;
  readonly SourceUri: string;
  readonly Tags: unknown;
}

export interface RegistryHouse extends ControlPlane {
  readonly clock: VirtualClock;
  readonly store: S3Store;
  readonly side: RegistrySide;
  /** Endpoints that are said to be there. */
  readonly endpoints: Set<string>;
  readonly ask: (operation: string, input?: AwsInput) => Promise<Answer>;
  /** Puts it into the bucket `models`, and says where it is. */
  readonly put: (key: string, bytes: Uint8Array | string) => Promise<string>;
}

/** A file that begins with `bad` is no model. */
export async function openRegistryHouse(options: ControlPlaneOptions = {}): Promise<RegistryHouse> {
  const clock = new VirtualClock(1_800_000_000_000);
  const inspect = async (path: string) => {
    const { readFile } = await import('node:fs/promises');
    if ((await readFile(path, 'utf8')).startsWith('bad')) throw new PlatformError('invalid_request', 'this is not an ONNX model');
    return plainInspection();
  };
  const images = [
    { match: 'python-server', runtime: { kind: 'process', command: ['python3', 'serve.py'], env: {}, concurrency: 1 } },
  ] as const;
  const plane = { ...(await openControlPlane({ clock, inspect, images, ...options })), clock };
  const { db, log, registry, audit, events, directory } = plane;
  const store = new S3Store({ db, files: new FileObjectStore(join(directory, 's3')), clock, log });
  await store.createBucket('models');
  const endpoints = new Set<string>();
  const hasEndpoint = (name: string) => endpoints.has(name);
  const side = registrySide({ db, clock, audit, events, registry, objects: store, unpackedBytesMax: 1_000_000, hasEndpoint });
  const ask: RegistryHouse['ask'] = async (operation, input = {}) => {
    const answer = await (side.operations[operation] as AwsOperation)(input, callOf(operation));
    return answer as unknown as Answer;
  };
  const put = async (key: string, bytes: Uint8Array | string): Promise<string> => {
    await store.put('models', key, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    return `s3://models/${key}`;
  };
  return { ...plane, store, side, endpoints, ask, put };
}

export interface TarItem {
  readonly path: string;
  readonly text?: string;
  /** A letter of tar's: 0 a file, 2 a link, 3 a device, 5 a folder. */
  readonly type?: string;
  readonly link?: string;
}

/** An archive with whatever is asked for, which no honest program would write. */
export function tarGz(items: readonly TarItem[]): Buffer {
  return gzipSync(tar(items));
}

function tar(items: readonly TarItem[]): Buffer {
  const blocks = items.map(({ path, text = '', type = '0', link = '' }) => {
    const content = Buffer.from(text);
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')} `, 124);
    header.fill(' ', 148, 156);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((before, byte) => before + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
