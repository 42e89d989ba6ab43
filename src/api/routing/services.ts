/** Dependencies of the native API: lower modules, and a few functions provided by the platform. */
import type { IncomingMessage } from 'node:http';
import type { Access, AccessConnection, Caller, KeyChanges } from '../../access/index.ts';
import type { Alarms, Deliveries, Rules, WebhookPolicy } from '../../alerts/index.ts';
import type { AsyncApi, Transforms } from '../../async-inference/index.ts';
import type { NodeLinks } from '../../authority/index.ts';
import type { BatchController, DeploymentPlanner, Planner, ScalingController } from '../../autoscaling/index.ts';
import type { Clock } from '../../clock.ts';
import type { CostHistory, Ledger, PriceTable } from '../../costs/index.ts';
import type { CallCapture, DriftMonitor, FeatureValues, GroundTruth } from '../../data-quality/index.ts';
import type { Deployments } from '../../deployment/index.ts';
import type { PythonEnvironments } from '../../environments/index.ts';
import type {
  Challengers,
  Evaluations,
  LadderPlanner,
  SelectionPlanner,
  SelectionRecorder,
  SelectionReview,
  SelectionWatch,
} from '../../evaluation/index.ts';
import type { ClusterView } from '../../hosts/index.ts';
import type { BodyLimits } from '../../http/index.ts';
import type { Log, LogGroups, RequestTraces } from '../../logs/index.ts';
import type { ArrivalHistory, MachineLoad, MetricStore } from '../../metrics/index.ts';
import type { FunctionProfiles, Profiles, ServiceTables } from '../../profiling/index.ts';
import type { ForkServerView, IsolationStatus, WorkerView } from '../../providers/index.ts';
import type { Audit, Decisions, Events, RejectionAudit } from '../../records/index.ts';
import type { ModelVersion, Registry } from '../../registry/index.ts';
import type { Serving } from '../../serving/index.ts';
import type { Availability, Database } from '../../storage/index.ts';
import type { Threads } from '../../threads/index.ts';
import type { Pipelines, Training, Tuning } from '../../training/index.ts';

interface OffsetPage {
  readonly limit: number;
  readonly offset: number;
}

/** An execution of a pipeline of the AWS API, with every step of its definition. */
export interface GraphExecution {
  readonly id: string;
  readonly pipeline: string;
  readonly status: 'Executing' | 'Stopping' | 'Stopped' | 'Failed' | 'Succeeded';
  readonly displayName: string | null;
  readonly description: string | null;
  readonly failureReason: string | null;
  readonly parameters: Record<string, string>;
  readonly startedBy: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly steps: readonly {
    readonly name: string;
    readonly type: string;
    readonly after: readonly string[];
    readonly branch: { readonly condition: string; readonly outcome: boolean } | null;
    readonly status: 'Waiting' | 'Skipped' | 'Executing' | 'Succeeded' | 'Failed' | 'Stopped';
    readonly startedAtMs: number | null;
    readonly endedAtMs: number | null;
    readonly failureReason: string | null;
    readonly made: string | null;
    readonly outcome: boolean | null;
    readonly cachedFrom: string | null;
  }[];
}

export interface GraphPipeline {
  readonly name: string;
  readonly displayName: string | null;
  readonly description: string | null;
  readonly who: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly steps: readonly { readonly name: string; readonly type: string }[];
  readonly lastExecution: GraphExecution | null;
}

export interface ApiServices {
  /** Null if the server is not a node of a cluster. */
  readonly nodeLinks: NodeLinks | null;
  /** Null if the server has no nodes and hosts. */
  readonly cluster: ClusterView | null;
  /** For audit records outside of a transaction. */
  readonly db: Database;
  readonly availability: Pick<Availability, 'problem' | 'sinceMs' | 'takenOver'>;
  readonly log: Pick<Log, 'warn' | 'error'>;
  readonly registry: Registry;
  readonly environments: Pick<PythonEnvironments, 'create' | 'delete' | 'describe' | 'list' | 'operators' | 'allowsSdist'>;
  readonly deployments: Deployments;
  readonly serving: Serving;
  readonly access: Access;
  /** Creates and revokes keys. */
  readonly keys: KeyChanges;
  readonly events: Events;
  readonly audit: Audit;
  readonly refusals: Pick<RejectionAudit, 'record'>;
  readonly decisions: Pick<Decisions, 'list' | 'listFolded' | 'count' | 'get'>;
  readonly batching: Pick<BatchController, 'requestDecision' | 'reasonOf' | 'decisionStatus'>;
  readonly scaling: Pick<ScalingController, 'requestDecision'>;
  readonly planner: Pick<Planner, 'plan'>;
  readonly deploymentPlanner: Pick<DeploymentPlanner, 'plan'>;
  readonly ledger: Pick<Ledger, 'sinceMs' | 'usage' | 'variantsOf'>;
  readonly costs: Pick<CostHistory, 'list'>;
  readonly arrivals: Pick<ArrivalHistory, 'list' | 'firstMs'>;
  readonly series: Pick<MetricStore, 'list' | 'series' | 'unitsOf' | 'columns' | 'namesOf'>;
  readonly alarms: Pick<Alarms, 'list' | 'get' | 'lastReason' | 'history' | 'put' | 'delete'>;
  readonly rules: Pick<Rules, 'list' | 'faultOf' | 'put' | 'delete'>;
  /** Whether events can be delivered to this ARN: that of a log group or pipeline. */
  readonly canDeliver: (arn: string) => boolean;
  readonly deliveries: Pick<Deliveries, 'byRule' | 'list'>;
  readonly machine: Pick<MachineLoad, 'times' | 'lastHour'>;
  readonly async: AsyncApi;
  readonly webhooks: Pick<WebhookPolicy, 'checkUrl'>;
  /** Captures sampled calls of endpoints, for capture files, drift and labels. */
  readonly calls: Pick<CallCapture, 'begin'>;
  /** The loaded models of multi-model variants. */
  readonly targets: { view(endpoint: string, variant: string): { models: number; memoryMiB: number; memoryMiBMax: number } };
  readonly drift: Pick<DriftMonitor, 'setBaseline' | 'removeBaseline' | 'values' | 'view'>;
  readonly truth: Pick<GroundTruth, 'label' | 'quality' | 'toLabel'>;
  /** Rows of an endpoint's captured calls between two times, by feature. */
  readonly capturedValues: (endpoint: string, fromMs: number, toMs: number) => Promise<FeatureValues>;
  /** The sample payload a version was registered with; null if there was none. */
  readonly registrationSample: (
    version: ModelVersion,
  ) => Promise<{ readonly contentType: string; readonly body: Buffer; readonly label?: string } | null>;
  readonly transforms: Transforms;
  readonly training: Training;
  readonly tuning: Tuning;
  readonly pipelines: Pipelines;
  /** Pipelines of the AWS API. Its methods throw `not_found`. */
  readonly sageMakerPipelines: {
    list(page: OffsetPage): Promise<readonly GraphPipeline[]>;
    get(name: string): Promise<GraphPipeline>;
    executions(name: string, page: OffsetPage): Promise<readonly GraphExecution[]>;
    execution(name: string, id: string): Promise<GraphExecution>;
    /** Throws `wrong_state` if it is over. */
    stop(name: string, id: string, who: string): Promise<GraphExecution>;
  };
  /** Objects by bucket and key: data and results of training jobs. */
  readonly s3: {
    /** Null if it does not exist. */
    bucket(name: string): Promise<{ readonly name: string } | null>;
    createBucket(name: string, who: string): Promise<unknown>;
    /** Null if it does not exist. `etag`: md5, unless it was uploaded in parts. */
    head(bucket: string, key: string): Promise<{ readonly bytes: number; readonly etag: string } | null>;
    put(
      bucket: string,
      key: string,
      source: AsyncIterable<Uint8Array>,
      options: { readonly headers: { readonly writer: string; readonly metadata?: Readonly<Record<string, string>> } },
    ): Promise<unknown>;
    deleteAll(bucket: string, keys: readonly string[]): Promise<void>;
  };
  readonly selection: Pick<SelectionPlanner, 'plan'>;
  readonly ladders: Pick<LadderPlanner, 'plan'>;
  readonly selectionRecorder: Pick<SelectionRecorder, 'recording'>;
  readonly selectionReview: Pick<SelectionReview, 'review'>;
  readonly selectionWatch: Pick<SelectionWatch, 'qualityOf'>;
  readonly challengers: Pick<Challengers, 'evidenceOf'>;
  readonly evaluations: Pick<Evaluations, 'sets' | 'answers' | 'create' | 'get' | 'list' | 'stop' | 'answersOf' | 'outcomesOf'>;
  /** Traces inference requests; null if tracing is off. */
  readonly traces?: Pick<RequestTraces, 'begin' | 'refuse'> | null;
  readonly clock: Clock;
  /** Decodes large bodies. */
  readonly threads: Threads;
  readonly prices: PriceTable;
  /** All workers of the server. */
  readonly workers: () => readonly WorkerView[];
  /** Service times, available synchronously. */
  readonly tables: Pick<ServiceTables, 'tableOf' | 'served'>;
  readonly profiles: Pick<Profiles, 'list' | 'measure'>;
  readonly functionProfiles: Pick<FunctionProfiles, 'of' | 'measure'>;
  /** The caller of a request. Throws `unauthenticated` or `forbidden`. */
  readonly authenticate: (request: IncomingMessage) => Caller;
  /** Turns the time limit of a request into one for pauses. */
  readonly extendTimeout: (request: IncomingMessage) => void;
  /** Address and encryption of a request's connection. */
  readonly connectionOf: (request: IncomingMessage) => AccessConnection;
  readonly logGroups: Pick<LogGroups, 'groups' | 'has' | 'read' | 'streams'>;
  readonly bodies: BodyLimits;
  readonly server: {
    readonly version: string;
    readonly startedAtMs: number;
    readonly cores: number;
    /** Absolute. */
    readonly dataDirectory: string;
    /** `host:port`; null if gRPC is off. */
    readonly grpc: () => string | null;
    /** The server is shutting down and no longer ready. */
    readonly isDraining: () => boolean;
    /** How code that comes with models is isolated; null while the server starts. */
    readonly isolation: () => IsolationStatus | null;
    /** The processes that fork Python workers. */
    readonly forkServers: () => readonly ForkServerView[];
    /** Notes for the operator about the server itself. */
    readonly notes: () => readonly string[];
  };
}
