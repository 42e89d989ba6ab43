/** Opens training jobs with their modules and the object store. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Access, hasPermission, permissionFor, weakestRoleWith } from '../access/index.ts';
import type { Closers } from '../closers.ts';
import { type Config, isLoopback } from '../config.ts';
import { type CostHistory, instanceType, type Ledger, type PriceTable, threadsOf } from '../costs/index.ts';
import type { PythonEnvironments } from '../environments/index.ts';
import { PlatformError } from '../errors.ts';
import type { Foundation } from '../foundation/index.ts';
import { nameKey } from '../names.ts';
import type { LocalProvider, Tasks } from '../providers/index.ts';
import type { Audit, Events } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import type { TrainingBuckets } from './attempts/buckets.ts';
import type { LabelledCalls } from './attempts/captured-data.ts';
import { jobMeter } from './attempts/job-meter.ts';
import { OutputMetrics } from './attempts/output-metrics.ts';
import type { JobInstance } from './attempts/run-deps.ts';
import { jobKindOf, jobLogGroups, jobNameOf } from './job-kind.ts';
import { JobStates } from './job-states.ts';
import { registerTrained } from './register-trained.ts';
import { TrainingRows } from './rows.ts';
import { ServingLoad } from './serving-load.ts';
import { type TrainingSettings, trainingSettings } from './settings.ts';
import type { TrainingSpec } from './spec.ts';
import { TrainingJobs } from './training-jobs.ts';
import { type SweptBuckets, UploadSweep } from './upload-sweep.ts';
import { releaseUploads } from './uploaded-data.ts';

/** Modules that training stands on. */
export interface OpenTrainingDeps extends Pick<Foundation, 'db' | 'clock' | 'logGroups' | 'series' | 'threads' | 'objects'> {
  readonly logs: Pick<Foundation['logs'], 'platform'>;
  readonly directory: Pick<Foundation['directory'], 'path'>;
  readonly registry: Registry;
  readonly environments: Pick<PythonEnvironments, 'resolve' | 'expectNamed'>;
  readonly provider: Pick<LocalProvider, 'isolation' | 'list'> & { readonly tasks: Tasks };
  readonly events: Events;
  readonly audit: Audit;
  readonly prices: PriceTable;
  readonly ledger: Ledger;
  readonly costs: Pick<CostHistory, 'list'>;
  readonly cores: number;
  readonly access: Pick<Access, 'callerFor' | 'jobCredentials' | 'holdJob' | 'releaseJob'>;
  readonly s3: TrainingBuckets & SweptBuckets;
  readonly labelled: LabelledCalls;
}

/** The part of the config that training reads. */
export type TrainingConfig = Pick<Config, 'training' | 'host' | 'awsRegion' | 'awsAccount' | 'artifactLimitBytes'>;

/** A job may print a hundred megabytes. */
const logBytesMax = 256 * 2 ** 20;
const scriptMode = fileURLToPath(new URL('../../assets/training/script_mode.py', import.meta.url));

/** Continues the jobs of the previous server. */
export async function openTraining(config: TrainingConfig, deps: OpenTrainingDeps, closers: Closers): Promise<TrainingJobs> {
  const { clock, logs, logGroups, series, threads, objects, registry, events, audit, provider, cores } = deps;
  const log = logs.platform;
  const settings = trainingSettings(config.training);
  const rows = new TrainingRows(deps.db);
  const load = new ServingLoad();
  const instanceOf = jobInstances(deps.prices, cores);
  const folder = join(deps.directory.path, 'training');
  const jobFolder = (name: string): string => join(folder, nameKey(name));
  const artifactBytesMax = config.artifactLimitBytes;
  const training: TrainingJobs = new TrainingJobs({
    clock,
    log,
    rows,
    states: new JobStates({ rows, clock, events }),
    events,
    audit,
    threads,
    logGroups,
    series,
    metrics: new OutputMetrics({ threads, series, log }),
    tasks: provider.tasks,
    buckets: deps.s3,
    files: registry.files,
    objects,
    sourcePath: (sha256) => registry.files.fetch(sha256),
    scriptMode,
    python: (environment, lock, signal) => pythonOf(deps.environments, environment, lock, signal),
    instanceOf,
    contractOf: ({ spec, createdBy }) => {
      const server = spec.isIsolated ? null : serverOf(deps, training.url, createdBy, spec.name);
      return { arn: arnOf(config, spec.name), region: config.awsRegion, server, installsRequirements: settings.installsRequirements };
    },
    meter: jobMeter({ clock, ledger: deps.ledger, costs: deps.costs, access: deps.access, instanceOf }),
    register: (job, files) => registerTrained({ registry, rows, artifactBytesMax }, job, files),
    jobFolder,
    artifactBytesMax,
    stopGraceMs: settings.stopGraceMs,
    cores,
    servingCores: () => load.busyCores,
    observe: () =>
      load.sample(
        provider.list().map(({ spec, cpuMs }) => ({ id: spec.id, cpuMs: cpuMs?.() ?? null })),
        clock.nowMs(),
      ),
    checkAllowed: () => checkAllowed(config, settings, provider),
    labelled: deps.labelled,
    checkPlace: async (spec, who) => {
      instanceType(deps.prices, spec.instanceType);
      if (spec.environment !== null) await deps.environments.expectNamed(spec.environment);
      for (const { source } of spec.channels) {
        if (source.kind !== 'captured') continue;
        checkMayReadCaptured(deps.access, who);
        deps.labelled.expect(source.endpoint);
      }
    },
    jobsMax: settings.jobsMax,
    releaseUploads: (spec) => releaseUploads({ db: deps.db, buckets: deps.s3, log }, spec),
    folder,
  });
  for (const group of Object.values(jobLogGroups)) logGroups.limitGroup(group, logBytesMax);
  await training.open();
  closers.add(new UploadSweep({ db: deps.db, buckets: deps.s3, clock, log })).open();
  return closers.add(training);
}

/** A job must not read data that its creator may not read. Throws `forbidden`. */
function checkMayReadCaptured(access: Pick<Access, 'callerFor'>, who: string): void {
  const role = access.callerFor(who)?.role;
  const permission = permissionFor('read captured data');
  if (role === undefined || hasPermission(role, permission)) return; // a local caller without a key may do everything
  const wanted = weakestRoleWith(permission);
  throw new PlatformError('forbidden', `captured calls: the key ${who} has the role ${role}, and ${wanted} is needed to read them`);
}

function arnOf({ awsRegion, awsAccount }: TrainingConfig, name: string): string {
  return `arn:aws:sagemaker:${awsRegion}:${awsAccount}:${jobKindOf(name)}-job/${jobNameOf(name).toLowerCase()}`;
}

/** Throws `forbidden`, `unsupported`. */
function checkAllowed(config: TrainingConfig, { isEnabled }: TrainingSettings, { isolation }: Pick<LocalProvider, 'isolation'>): void {
  if (!(isEnabled ?? isLoopback(config.host))) {
    const todo = 'set {"training": {"enabled": true}} in config.json, and restart the server';
    throw new PlatformError('forbidden', `training jobs run code of their callers, and this server listens beyond loopback: ${todo}`);
  }
  if (isolation === null || isolation.mode === 'unavailable')
    throw new PlatformError(
      'unsupported',
      `training jobs cannot be isolated here (${isolation?.reason ?? 'no reason is known'}): run penstock doctor`,
    );
}

/** Each type once: every waiting job is looked up at each end and start of another. */
function jobInstances(prices: PriceTable, cores: number): (spec: TrainingSpec) => JobInstance {
  const known = new Map<string, JobInstance>();
  return (spec) => {
    const key = `${spec.instanceType} ${spec.isSpot}`;
    const instance = known.get(key) ?? jobInstance(prices, cores, spec);
    known.set(key, instance);
    return instance;
  };
}

function jobInstance(prices: PriceTable, cores: number, { instanceType: name, isSpot }: TrainingSpec): JobInstance {
  const type = instanceType(prices, name);
  const larger = Object.entries(prices.instances)
    .filter(([other, { memoryMiB }]) => memoryMiB > type.memoryMiB && familyOf(other) === familyOf(name))
    .sort(([, a], [, b]) => a.memoryMiB - b.memoryMiB);
  return {
    threads: threadsOf(type, cores),
    vcpus: threadsOf(type, Number.POSITIVE_INFINITY),
    memoryMiB: type.memoryMiB,
    largerType: larger[0]?.[0] ?? null,
    usdPerHour: isSpot ? (type.usdPerHourSpot ?? type.usdPerHour) : type.usdPerHour,
    onDemandUsdPerHour: type.usdPerHour,
  };
}

/** `local` of `local.2`, `ml.m5` of `ml.m5.large`. */
function familyOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('.')));
}

/** How the code of a job reaches this server; null if it cannot. */
function serverOf({ access }: OpenTrainingDeps, url: string | null, creator: string, name: string) {
  const issued = access.jobCredentials(creator, nameKey(name));
  return url === null || issued === undefined ? null : { url, keyId: issued.id, secret: issued.secret, token: issued.token };
}

async function pythonOf(environments: OpenTrainingDeps['environments'], name: string, lock: string | null, signal: AbortSignal) {
  const { python, paths, key } = await environments.resolve({ name, lock }, signal);
  return { python, paths, lock: key };
}
