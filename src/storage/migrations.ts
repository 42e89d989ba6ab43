/** All migrations in order, forward only; the steps are in `migrations/` by topic. Never change a released step: add a new one. */
import { createAsyncRequests, createTransforms } from './migrations/async-inference.ts';
import { addContent, createAwsDocuments, createS3 } from './migrations/aws.ts';
import { clusterMigrations, hostSetMigrations } from './migrations/cluster.ts';
import { addFailed, createCosts } from './migrations/costs.ts';
import {
  addAnnouncedStatus,
  addRollouts,
  addServedObjective,
  addVersionHistory,
  createEndpoints,
  createScaling,
} from './migrations/deployment.ts';
import { addChallengers, addPlans, addScores, createCallLabels, createDrift } from './migrations/drift.ts';
import { createEnvironments } from './migrations/environments.ts';
import { createEvaluations, createSelectionEvidence, createSelectionTests } from './migrations/evaluation.ts';
import { createInstallation, createServerHolder } from './migrations/installation.ts';
import {
  addCauses,
  addLanes,
  addSequences,
  createJobs,
  orderJobs,
  setCausesOfDeliveries,
  setLanesOfDeliveries,
} from './migrations/jobs.ts';
import { clearMetricRows, createArrivals, createLogs, createMetricSeries, splitMetricRows } from './migrations/measurements.ts';
import {
  chainAudit,
  createAlarms,
  createAuditAndEvents,
  createDecisions,
  createEventRules,
  findAuditByCall,
  findEventsByKind,
  findEventsBySubject,
  numberEventsInOrder,
} from './migrations/monitoring.ts';
import { addObjectsPlace, createObjectBlobs } from './migrations/objects.ts';
import { createHoldoutUses, createPipelineExecutions, createPipelines } from './migrations/pipelines.ts';
import { addPythonModels, addRuntimes, addVersionFiles, createRegistry } from './migrations/registry.ts';
import { renameMembers } from './migrations/renamed-members.ts';
import { createSchemaCompat } from './migrations/schema-compat.ts';
import { addStreamOffsets, createTraining, createTuning } from './migrations/training.ts';
import type { Steps } from './step.ts';
import type { Dialect } from './tables.ts';

/** `state` survives a power loss. `metrics` may lose its last seconds, in exchange for cheap writes. */
export type Purpose = 'state' | 'metrics';

/**
 * The migrations by name. Kysely runs them in the order of their names. From step 101 on, say `beside` where an older program can go on: nodes
 * are upgraded one by one (ADR 60).
 */
export function migrationsFor(purpose: Purpose, dialect: Dialect): Steps {
  if (purpose === 'metrics') {
    return {
      '0001-arrivals': { up: createArrivals },
      '0002-metric-series': { up: (db) => createMetricSeries(db, dialect) },
      '0003-logs': { up: createLogs },
      '0004-metric-rows-anew': { up: clearMetricRows },
      '0005-metric-rows-by-resolution': { up: (db) => splitMetricRows(db, dialect) },
      '0006-stream-offsets': { up: addStreamOffsets },
      '0007-schema-compat': { up: (db) => createSchemaCompat(db, 'schema_compat_metrics', 7) },
    };
  }
  return {
    '0001-registry': { up: createRegistry },
    '0002-endpoints': { up: createEndpoints },
    '0003-audit-and-events': { up: (db) => createAuditAndEvents(db, dialect) },
    '0004-decisions': { up: (db) => createDecisions(db, dialect) },
    '0005-costs': { up: createCosts },
    '0006-scaling': { up: createScaling },
    '0008-s3': { up: (db) => createS3(db, dialect) },
    '0009-aws-documents': { up: createAwsDocuments },
    '0010-runtimes': { up: addRuntimes },
    '0012-audit-chain': { up: chainAudit },
    '0013-alarms': { up: (db) => createAlarms(db, dialect) },
    '0014-jobs': { up: createJobs },
    '0015-event-rules': { up: createEventRules },
    '0017-drift': { up: createDrift },
    '0018-async': { up: (db) => createAsyncRequests(db, dialect) },
    '0019-transforms': { up: createTransforms },
    '0024-rollouts': { up: addRollouts },
    '0025-jobs-in-order': { up: orderJobs },
    '0026-small-objects': { up: (db) => addContent(db, dialect) },
    '0027-job-lanes': { up: addLanes },
    '0029-failed-requests': { up: addFailed },
    '0030-lanes-of-deliveries': { up: setLanesOfDeliveries },
    '0031-version-history': { up: addVersionHistory },
    '0032-events-by-subject': { up: findEventsBySubject },
    '0033-events-by-kind': { up: findEventsByKind },
    '0034-job-causes': { up: addCauses },
    '0035-causes-of-deliveries': { up: setCausesOfDeliveries },
    '0036-told-statuses': { up: addAnnouncedStatus },
    '0037-job-sequences': { up: addSequences },
    '0038-served-objectives': { up: addServedObjective },
    '0039-audit-by-call': { up: (db) => findAuditByCall(db, dialect) },
    '0040-installation': { up: createInstallation },
    '0043-server-holder': { up: createServerHolder },
    '0044-event-head': { up: (db) => numberEventsInOrder(db, dialect) },
    '0045-renamed-members': { up: renameMembers },
    '0046-version-files': { up: addVersionFiles },
    '0047-environments': { up: createEnvironments },
    '0048-python-models': { up: addPythonModels },
    '0049-evaluations': { up: createEvaluations },
    '0052-training': { up: createTraining },
    '0053-selection-tests': { up: createSelectionTests },
    '0061-selection-evidence': { up: createSelectionEvidence },
    '0062-predictions-by-plan': { up: addPlans },
    '0064-tuning': { up: createTuning },
    '0065-pipelines': { up: createPipelines },
    '0066-call-labels': { up: createCallLabels },
    '0070-objects-place': { up: addObjectsPlace },
    '0071-object-blobs': { up: (db) => createObjectBlobs(db, dialect) },
    '0080-challengers': { up: addChallengers },
    '0085-pipeline-executions': { up: createPipelineExecutions },
    '0086-holdout-uses': { up: createHoldoutUses },
    '0088-scores-of-predictions': { up: addScores },
    ...clusterMigrations(dialect),
    '0101-schema-compat': { up: (db) => createSchemaCompat(db, 'schema_compat', 101) },
    ...hostSetMigrations(dialect),
  };
}
