/** Calls the AWS operations on groups, packages and Models as the router does. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Role } from '../src/access/index.ts';
import { S3Store } from '../src/aws/index.ts';
import { openRegistryServices, type RegistryServices } from '../src/aws/sagemaker/models/registry-services.ts';
import type { AwsInput, AwsOperation } from '../src/aws/service.ts';
import { VirtualClock } from '../src/clock.ts';
import { PlatformError } from '../src/errors.ts';
import type { ModelFiles } from '../src/runtime/index.ts';
import { FileObjectStore } from '../src/storage/index.ts';
import { callOf } from './aws-endpoint-fixture.ts';
import { type ControlPlane, type ControlPlaneOptions, openControlPlane, plainInspection } from './control-plane.ts';

interface Container {
  readonly Image: string;
  readonly ModelDataUrl?: string;
  readonly ModelPackageName?: string;
}

interface Changed {
  readonly IamIdentity: { readonly PrincipalId: string };
}

interface PackageAnswer {
  readonly ModelPackageName: string;
  readonly ModelPackageVersion: number;
  readonly InferenceSpecification: { readonly Containers: readonly [Container]; readonly SupportedContentTypes?: readonly string[] };
}

/** Members of responses that tests check. */
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

export interface RegistryFixture extends ControlPlane {
  readonly clock: VirtualClock;
  readonly store: S3Store;
  readonly services: RegistryServices;
  /** Names of endpoints that count as existing. */
  readonly endpoints: Set<string>;
  readonly call: (operation: string, input?: AwsInput, role?: Role) => Promise<Answer>;
  /** Stores an object in the bucket `models` and returns its URI. */
  readonly put: (key: string, bytes: Uint8Array | string) => Promise<string>;
}

/** Files that begin with `bad` are not models; one with the text `needs NAME` has that data file. */
export async function openRegistryFixture(options: ControlPlaneOptions = {}): Promise<RegistryFixture> {
  const clock = new VirtualClock(1_800_000_000_000);
  const inspect = async ({ path, data = [] }: ModelFiles) => {
    const { readFile } = await import('node:fs/promises');
    const text = await readFile(path, 'utf8');
    if (text.startsWith('bad')) throw new PlatformError('invalid_request', 'this is not an ONNX model');
    const [, needed] = /^needs (.*)$/.exec(text) ?? [];
    if (needed === undefined) return plainInspection();
    if (!data.some(({ name }) => name === needed)) throw new PlatformError('invalid_request', `the data file ${needed} is missing`);
    return plainInspection({ dataFiles: [needed] });
  };
  const images = [
    {
      match: 'python-server',
      runtime: { kind: 'process', command: ['python3', 'serve.py'], env: {}, concurrency: 1, access: { paths: [], isIsolated: true } },
    },
  ] as const;
  const plane = { ...(await openControlPlane({ clock, inspect, images, modelBytesMax: 1_000_000, ...options })), clock };
  const { db, log, registry, audit, events, directory } = plane;
  const store = new S3Store({ db, files: new FileObjectStore(join(directory, 's3')), clock, log });
  await store.createBucket('models');
  const endpoints = new Set<string>();
  const hasEndpoint = (name: string) => endpoints.has(name);
  const services = openRegistryServices({
    db,
    clock,
    audit,
    events,
    registry,
    objects: store,
    hasEndpoint,
    hasJob: async () => false,
  });
  const call: RegistryFixture['call'] = async (operation, input = {}, role) => {
    const answer = await (services.operations[operation] as AwsOperation).run(input, callOf(operation, undefined, role));
    return answer as unknown as Answer;
  };
  const put = async (key: string, bytes: Uint8Array | string): Promise<string> => {
    await store.put('models', key, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    return `s3://models/${key}`;
  };
  return { ...plane, store, services, endpoints, call, put };
}

export interface TarItem {
  readonly path: string;
  readonly text?: string;
  /** Tar's type flag: 0 file, 2 link, 3 device, 5 folder. */
  readonly type?: string;
  readonly link?: string;
}

/** Builds a .tar.gz from arbitrary entries, including malicious ones. */
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
