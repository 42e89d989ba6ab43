/** Stored documents of endpoint configs and endpoints. Only members with an effect have types; others are stored and returned unchanged. */
import type { VariantConfig } from '../../../deployment/index.ts';

/** Of a variant that runs as functions. */
export interface ServerlessConfig {
  /** MiB, despite AWS's name. */
  readonly MemorySizeInMB: number;
  readonly MaxConcurrency: number;
  readonly ProvisionedConcurrency?: number;
}

/** A variant of an endpoint config. It has either an instance type or a serverless config. */
export interface ProductionVariant {
  readonly VariantName: string;
  readonly ModelName?: string;
  readonly InstanceType?: string;
  readonly InitialInstanceCount?: number;
  readonly InitialVariantWeight?: number;
  readonly ServerlessConfig?: ServerlessConfig;
  readonly ManagedInstanceScaling?: { readonly Status?: 'ENABLED' | 'DISABLED' };
  readonly ModelDataDownloadTimeoutInSeconds?: number;
  readonly ContainerStartupHealthCheckTimeoutInSeconds?: number;
}

/** Which requests are written to S3, and where. */
export interface DataCaptureConfig {
  /** Default: true. */
  readonly EnableCapture?: boolean;
  readonly InitialSamplingPercentage: number;
  readonly DestinationS3Uri: string;
  readonly KmsKeyId?: string;
  readonly CaptureOptions?: readonly { readonly CaptureMode: 'Input' | 'Output' | 'InputAndOutput' }[];
  readonly CaptureContentTypeHeader?: { readonly CsvContentTypes?: readonly string[]; readonly JsonContentTypes?: readonly string[] };
}

/** An endpoint config without its name, ARN, times and tags. */
export interface EndpointConfigDocument {
  readonly ProductionVariants: readonly ProductionVariant[];
  /** At most one, beside one production variant. */
  readonly ShadowProductionVariants?: readonly ProductionVariant[];
  readonly DataCaptureConfig?: DataCaptureConfig;
  readonly AsyncInferenceConfig?: Readonly<Record<string, unknown>>;
  /** Rejected at creation. */
  readonly ExplainerConfig?: unknown;
  /** Without an effect, which DescribeEndpoint says. */
  readonly MetricsConfig?: unknown;
}

/** Production and shadow variants. */
export function allVariants({ ProductionVariants, ShadowProductionVariants = [] }: EndpointConfigDocument): readonly ProductionVariant[] {
  return [...ProductionVariants, ...ShadowProductionVariants];
}

/** A step of an update: instances, or percent of them. */
export interface CapacitySize {
  readonly Type: 'INSTANCE_COUNT' | 'CAPACITY_PERCENT';
  readonly Value: number;
}

/** How an update shifts traffic, and what rolls it back. Times are seconds. */
export interface DeploymentConfig {
  readonly BlueGreenUpdatePolicy?: {
    readonly TrafficRoutingConfiguration: {
      readonly Type: 'ALL_AT_ONCE' | 'CANARY' | 'LINEAR';
      readonly WaitIntervalInSeconds: number;
      readonly CanarySize?: CapacitySize;
      readonly LinearStepSize?: CapacitySize;
    };
    readonly TerminationWaitInSeconds?: number;
    readonly MaximumExecutionTimeoutInSeconds?: number;
  };
  readonly RollingUpdatePolicy?: {
    readonly MaximumBatchSize: CapacitySize;
    readonly WaitIntervalInSeconds: number;
    readonly MaximumExecutionTimeoutInSeconds?: number;
    readonly RollbackMaximumBatchSize?: CapacitySize;
  };
  readonly AutoRollbackConfiguration?: { readonly Alarms?: readonly { readonly AlarmName?: string }[] };
}

/** The part of a Model that an endpoint needs. */
export interface DeployableModel {
  readonly name: string;
  readonly group: string;
  readonly version: number;
  /** Whether it serves the objects of a folder; absent: one model. */
  readonly isMultiModel?: true;
  /** The image as specified: `penstock/onnx`. */
  readonly image: string;
  /** `image` with the digest of the artifact. */
  readonly resolvedImage: string;
}

/** The config that one generation of an endpoint was created from. */
export interface DeployedConfig {
  readonly generation: number;
  readonly endpointConfigName: string;
  /** A copy, because the endpoint config can be deleted while the endpoint uses it. */
  readonly document: EndpointConfigDocument;
  /** Snapshots from the time of deployment. */
  readonly models: readonly DeployableModel[];
  /** The deployed variants. */
  readonly variants: readonly VariantConfig[];
  readonly startedAtMs: number;
}

/** The record of an endpoint that was created or changed through the AWS API. */
export interface EndpointDocument {
  /** The last few generations, newest last. */
  readonly deployed: readonly DeployedConfig[];
  readonly deploymentConfig: DeploymentConfig | null;
}
