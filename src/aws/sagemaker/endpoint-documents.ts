/**
 * What AWS's clients say of endpoint configs and endpoints, as it is kept: the members that mean something here. Others are
 * kept and shown as they came.
 */
import type { VariantConfig } from '../../deployment/index.ts';

export interface ServerlessConfig {
  /** AWS says MB and means MiB. */
  readonly MemorySizeInMB: number;
  readonly MaxConcurrency: number;
  readonly ProvisionedConcurrency?: number;
}

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

export interface DataCaptureConfig {
  /** Enabled unless it says otherwise. */
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
  readonly ShadowProductionVariants?: readonly ProductionVariant[];
  readonly DataCaptureConfig?: DataCaptureConfig;
  readonly AsyncInferenceConfig?: Readonly<Record<string, unknown>>;
}

export interface CapacitySize {
  readonly Type: 'INSTANCE_COUNT' | 'CAPACITY_PERCENT';
  readonly Value: number;
}

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

/** A Model, as far as an endpoint needs to know it. */
export interface DeployableModel {
  readonly name: string;
  readonly group: string;
  readonly version: number;
  /** As its maker wrote it: `penstock/onnx`. */
  readonly image: string;
  /** The same with the digest of what is served. */
  readonly resolvedImage: string;
}

/** What one generation of an endpoint was made from. */
export interface DeployedConfig {
  readonly generation: number;
  readonly endpointConfigName: string;
  /** A copy: the endpoint config itself may be deleted. */
  readonly document: EndpointConfigDocument;
  /** By name, as they were then. */
  readonly models: readonly DeployableModel[];
  /** What was deployed for it. */
  readonly variants: readonly VariantConfig[];
  readonly startedAtMs: number;
}

/** What is kept of an endpoint that AWS's clients made or changed. */
export interface EndpointDocument {
  /** The newest last, a few of them. */
  readonly deployed: readonly DeployedConfig[];
  readonly deploymentConfig: DeploymentConfig | null;
}
