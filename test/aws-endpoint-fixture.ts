/** Calls the AWS operations on endpoints as the router does, with scripted workers and a virtual clock. */
import assert from 'node:assert/strict';
import type { Role } from '../src/access/index.ts';
import { Documents } from '../src/aws/sagemaker/documents.ts';
import { endpointOperations } from '../src/aws/sagemaker/endpoints/endpoints.ts';
import { Tags } from '../src/aws/sagemaker/tags.ts';
import { type AwsCall, AwsError, type AwsInput, type AwsOperation } from '../src/aws/service.ts';
import { defaultPrices } from '../src/costs/index.ts';
import { PlatformError } from '../src/errors.ts';
import type { OpenDatabase } from '../src/storage/index.ts';
import { type DeploymentFixture, openDeploymentFixture, settle } from './deployment-fixture.ts';

/** Types the first elements as present, so that tests can access what they expect without checks. */
type List<Item> = readonly [Item, Item, ...Item[]];

interface VariantAnswer {
  readonly VariantName: string;
  readonly DeployedImages: List<{ readonly SpecifiedImage: string; readonly ResolvedImage: string; readonly ResolutionTime: Date }>;
  readonly CurrentWeight: number;
  readonly DesiredWeight: number;
  readonly CurrentInstanceCount: number;
  readonly DesiredInstanceCount: number;
  readonly InstanceType: string;
  readonly CurrentServerlessConfig: unknown;
  readonly VariantStatus: List<{ readonly Status: string; readonly StatusMessage: string }>;
}

/** Members of responses that tests check. */
interface Answer {
  readonly CreationTime: unknown;
  readonly DataCaptureConfig: { readonly CaptureStatus: string };
  readonly EndpointArn: string;
  readonly EndpointConfigArn: string;
  readonly EndpointConfigName: string;
  readonly EndpointConfigs: List<{ readonly EndpointConfigName: string }>;
  readonly Endpoints: List<{ readonly EndpointName: string; readonly CreationTime: Date }>;
  readonly EndpointStatus: string;
  readonly FailureReason: string;
  readonly LastDeploymentConfig: unknown;
  readonly LastModifiedTime: unknown;
  readonly NextToken?: string;
  readonly Notes?: readonly string[];
  readonly PendingDeploymentSummary: { readonly EndpointConfigName: string; readonly ProductionVariants: List<VariantAnswer> };
  readonly ProductionVariants: List<VariantAnswer>;
}

export interface Aws {
  readonly fixture: DeploymentFixture;
  readonly call: (operation: string, input: AwsInput, signal?: AbortSignal) => Promise<Answer>;
}

/** A call as the router passes it on. */
export function callOf(operation: string, signal = new AbortController().signal, role: Role = 'admin'): AwsCall {
  const caller = { keyId: 'AKME', role };
  const awsLocation = { account: '000000000000', region: 'us-east-1' };
  return { ...awsLocation, operation, caller, requestId: 'r', remoteAddress: undefined, userAgent: undefined, signal };
}

/** A deployment fixture with the Models `digits-one`, `digits-two`, and `digits-three`, which is not Approved. */
export async function openAws(database?: OpenDatabase): Promise<Aws> {
  const fixture = await openDeploymentFixture({}, database);
  const { db, clock, registry, deployments, audit } = fixture;
  const documents = new Documents({ db, clock });
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => config.name === name);
  const tags = new Tags({ db, registry, documents, hasEndpoint, hasJob: async () => false });
  const names = ['digits-one', 'digits-two', 'digits-three'];
  const findModel = async (name: string) => {
    const version = names.indexOf(name) + 1;
    const image = { image: 'penstock/onnx:1', resolvedImage: `penstock/onnx@sha256:${version}` };
    return version === 0 ? null : { name, group: 'digits', version, ...image };
  };
  const modules = {
    db,
    clock,
    documents,
    tags,
    deployments,
    registry,
    audit,
    prices: defaultPrices,
    timeoutMs: 60_000,
    memoryBytes: 16 * 2 ** 30,
    findModel,
    memoryOf: () => null,
    ladders: { plan: () => Promise.reject(new Error('no test of this fixture selects models')) },
    selectionRecorder: { recording: () => ({ hook: async () => undefined, publish: () => undefined }) },
  };
  const { operations } = endpointOperations(modules);
  const call: Aws['call'] = async (operation, input, signal) => {
    const answer = await (operations[operation] as AwsOperation).run(input, callOf(operation, signal));
    return answer as unknown as Answer;
  };
  return { fixture, call };
}

export const arn = (path: string) => `arn:aws:sagemaker:us-east-1:000000000000:${path}`;

export const instances = { VariantName: 'AllTraffic', ModelName: 'digits-one', InstanceType: 'ml.m5.large', InitialInstanceCount: 1 };
export const serverless = {
  VariantName: 'AllTraffic',
  ModelName: 'digits-one',
  ServerlessConfig: { MemorySizeInMB: 2048, MaxConcurrency: 5 },
};
export const capture = {
  InitialSamplingPercentage: 50,
  DestinationS3Uri: 's3://captured/here',
  CaptureOptions: [{ CaptureMode: 'Input' }],
};

/** Creates the endpoint `prod` with these variants from the config `prod-1`. */
export async function deployed(aws: Aws, ProductionVariants: object[] = [instances], more: object = {}, name = 'prod'): Promise<Aws> {
  await aws.call('CreateEndpointConfig', { EndpointConfigName: `${name}-1`, ProductionVariants, ...more });
  await aws.call('CreateEndpoint', { EndpointName: name, EndpointConfigName: `${name}-1` });
  await settle();
  return aws;
}

/** A blue/green `DeploymentConfig`. */
export function blueGreen(routing: object, more: object = {}) {
  return { BlueGreenUpdatePolicy: { TrafficRoutingConfiguration: { WaitIntervalInSeconds: 0, ...routing }, ...more } };
}

/** A check for `assert.rejects`. */
export function refusal(message: RegExp | string) {
  return (error: unknown) => {
    assert(error instanceof AwsError || error instanceof PlatformError, String(error));
    if (error instanceof AwsError) assert.equal(error.code, 'ValidationException');
    if (typeof message === 'string') assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}
