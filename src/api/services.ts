/** What the native API stands on: the rooms below it, and a few functions that the platform hands in. */
import type { IncomingMessage } from 'node:http';
import type { Access, AccessConnection, Caller } from '../access/index.ts';
import type { Transforms } from '../async-inference/index.ts';
import type { BatchController, DeploymentPlanner, Planner, ScalingController } from '../autoscaling/index.ts';
import type { Clock } from '../clock.ts';
import type { CostHistory, Ledger, PriceTable } from '../costs/index.ts';
import type { Deployments } from '../deployment/index.ts';
import type { BodyLimits } from '../http/index.ts';
import type {
  Alarms,
  ArrivalHistory,
  Audit,
  CallWatch,
  Decisions,
  Deliveries,
  DriftWatch,
  Events,
  FeatureValues,
  GroundTruth,
  Log,
  LogGroups,
  MetricStore,
  Refusals,
  RequestTraces,
  Rules,
} from '../monitoring/index.ts';
import type { FunctionProfiles, Profiles, ServiceTables } from '../profiling/index.ts';
import type { WorkerView } from '../providers/index.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import type { Serving } from '../serving/index.ts';
import type { Database } from '../storage/index.ts';
import type { AsyncApi } from './async-services.ts';

export interface ApiServices {
  /** For audit entries that stand alone. */
  readonly db: Database;
  readonly log: Pick<Log, 'warn'>;
  readonly registry: Registry;
  readonly deployments: Deployments;
  readonly serving: Serving;
  readonly access: Access;
  readonly events: Events;
  readonly audit: Audit;
  readonly refusals: Pick<Refusals, 'record'>;
  readonly decisions: Pick<Decisions, 'list' | 'count' | 'get'>;
  readonly batching: Pick<BatchController, 'ask' | 'reasonOf' | 'standing'>;
  readonly scaling: Pick<ScalingController, 'ask'>;
  readonly planner: Pick<Planner, 'plan'>;
  readonly deploymentPlanner: Pick<DeploymentPlanner, 'plan'>;
  readonly ledger: Pick<Ledger, 'usage' | 'variantsOf'>;
  readonly costs: Pick<CostHistory, 'list'>;
  readonly arrivals: Pick<ArrivalHistory, 'list' | 'firstMs'>;
  readonly series: Pick<MetricStore, 'list' | 'series' | 'unitsOf' | 'columns' | 'namesOf'>;
  readonly alarms: Pick<Alarms, 'list' | 'get' | 'foundLast' | 'history'>;
  readonly rules: Pick<Rules, 'list' | 'faultOf'>;
  readonly deliveries: Pick<Deliveries, 'byRule' | 'list'>;
  readonly async: AsyncApi;
  /** Is told of calls whose route is watched. */
  readonly calls: Pick<CallWatch, 'begin'>;
  readonly drift: Pick<DriftWatch, 'setBaseline' | 'removeBaseline' | 'values' | 'view' | 'look'>;
  readonly truth: Pick<GroundTruth, 'label' | 'quality'>;
  /** Rows of captured calls, by feature: of an endpoint, between two times. */
  readonly capturedValues: (endpoint: string, fromMs: number, toMs: number) => Promise<FeatureValues>;
  /** What a version was registered with as a sample of what it takes; null where nothing was. */
  readonly registrationSample: (
    version: ModelVersion,
  ) => Promise<{ readonly contentType: string; readonly body: Buffer; readonly label?: string } | null>;
  readonly transforms: Transforms;
  /** Is told of each inference request; null where nothing is traced. */
  readonly traces?: Pick<RequestTraces, 'begin' | 'refuse'> | null;
  readonly clock: Clock;
  readonly prices: PriceTable;
  /** Every worker there is. */
  readonly workers: () => readonly WorkerView[];
  /** What is known of service times, at hand without waiting. */
  readonly tables: Pick<ServiceTables, 'tableOf' | 'served'>;
  readonly profiles: Pick<Profiles, 'list' | 'measure'>;
  readonly functionProfiles: Pick<FunctionProfiles, 'of' | 'measure'>;
  /** Who sends a request; throws `unauthenticated` or `forbidden`. */
  readonly authenticate: (request: IncomingMessage) => Caller;
  /** How a request came. */
  readonly connectionOf: (request: IncomingMessage) => AccessConnection;
  readonly logGroups: Pick<LogGroups, 'groups' | 'has' | 'read' | 'streams'>;
  readonly bodies: BodyLimits;
  readonly server: {
    readonly version: string;
    readonly startedAtMs: number;
    readonly cores: number;
    /** `host:port`; null where gRPC is not served. */
    readonly grpc: () => string | null;
  };
}
