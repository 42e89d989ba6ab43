/**
 * Every verb, grouped by purpose: what `penstock --help` shows of it, and where its implementation is. Implementations are imported
 * only for the verbs that a command line names, so that no verb waits for the others.
 */
import type { Command } from 'commander';
import type { CliContext } from './cli-context.ts';

export interface VerbRow {
  /** Name and arguments, as in the verb's own file: `deploy <model> [endpoint]`. */
  readonly usage: string;
  /** As in the verb's own file. */
  readonly summary: string;
  /** Imports the verb. The function adds it, with its subverbs, to the program. */
  readonly load: () => Promise<(program: Command, context: CliContext) => void>;
}

/** By heading, as `penstock --help` lists them. */
export const verbTable: Readonly<Record<string, readonly VerbRow[]>> = {
  'Server:': [
    { usage: 'up', summary: 'start the server', load: async () => (await import('./verbs/server/up.ts')).addUp },
    {
      usage: 'quickstart',
      summary: 'start a server, deploy a model, run a load test',
      load: async () => (await import('./verbs/server/up.ts')).addQuickstart,
    },
    {
      usage: 'host',
      summary: 'run workers of a cluster on this machine',
      load: async () => (await import('./verbs/server/host.ts')).addHost,
    },
    {
      usage: 'env',
      summary: 'print shell exports for the server of --data-dir (ignores PENSTOCK_URL): eval "$(penstock env)"',
      load: async () => (await import('./verbs/server/env.ts')).addEnv,
    },
    {
      usage: 'doctor',
      summary: 'check that this machine can run a server',
      load: async () => (await import('./verbs/server/doctor.ts')).addDoctor,
    },
    { usage: 'status', summary: 'show the state of the server', load: async () => (await import('./verbs/server/status.ts')).addStatus },
    {
      usage: 'conformance <url>',
      summary: 'test a server against the Open Inference Protocol, case by case',
      load: async () => (await import('./verbs/server/conformance.ts')).addConformance,
    },
    { usage: 'keys', summary: 'create, list and revoke API keys', load: async () => (await import('./verbs/server/keys.ts')).addKeys },
    {
      usage: 'completion <shell>',
      summary: 'print a script that completes verbs, options and endpoints in a shell',
      load: async () => (await import('./verbs/server/completion.ts')).addCompletion,
    },
  ],
  'Server state:': [
    {
      usage: 'backup <file>',
      summary: 'write all state to a file; the server may be running',
      load: async () => (await import('./verbs/server/backup.ts')).addBackup,
    },
    {
      usage: 'restore <file>',
      summary: 'restore a backup into a new data directory',
      load: async () => (await import('./verbs/server/backup.ts')).addRestore,
    },
    {
      usage: 'migrate',
      summary: 'move all state to another database and object store',
      load: async () => (await import('./verbs/server/migrate.ts')).addMigrate,
    },
    {
      usage: 'verify',
      summary: 'check every stored object against its sha256, and check the database',
      load: async () => (await import('./verbs/server/backup.ts')).addVerify,
    },
    {
      usage: 'trash',
      summary: 'list and restore unreferenced objects, which are deleted after 7 days',
      load: async () => (await import('./verbs/server/backup.ts')).addTrash,
    },
    {
      usage: 'cluster',
      summary: 'show the nodes and hosts of a cluster, and change hosts',
      load: async () => (await import('./verbs/server/cluster.ts')).addCluster,
    },
  ],
  'Models:': [
    {
      usage: 'catalogue [name]',
      summary: 'list the bundled models, or show the model card of one',
      load: async () => (await import('./verbs/models/catalogue.ts')).addCatalogue,
    },
    {
      usage: 'register <model> [group]',
      summary: 'register a model: FILE.onnx, a Python model, a folder or archive with one, or catalogue:NAME',
      load: async () => (await import('./verbs/models/register.ts')).addRegister,
    },
    { usage: 'groups', summary: 'list the model groups', load: async () => (await import('./verbs/models/groups.ts')).addGroups },
    {
      usage: 'versions <group>',
      summary: 'list the versions of a model group',
      load: async () => (await import('./verbs/models/groups.ts')).addVersions,
    },
    {
      usage: 'approve <group/version>',
      summary: 'approve a model version for deployment',
      load: async () => (await import('./verbs/models/approve.ts')).addApprove,
    },
    {
      usage: 'reject <group/version>',
      summary: 'reject a model version',
      load: async () => (await import('./verbs/models/approve.ts')).addReject,
    },
    {
      usage: 'profile <model>',
      summary: 'measure service times by batch size, and show the cost on functions',
      load: async () => (await import('./verbs/models/profile.ts')).addProfile,
    },
    {
      usage: 'card <model>',
      summary: 'show the card of a model version: provenance, evaluations, service times, endpoints',
      load: async () => (await import('./verbs/models/card.ts')).addCard,
    },
    {
      usage: 'evaluate [models...]',
      summary: 'measure what models are worth on a labelled set, with confidence intervals',
      load: async () => (await import('./verbs/models/evaluate.ts')).addEvaluate,
    },
    {
      usage: 'environments',
      summary: 'create, list, show and delete Python environments for models',
      load: async () => (await import('./verbs/models/environments.ts')).addEnvironments,
    },
  ],
  'Training:': [
    {
      usage: 'train <path>',
      summary: 'train a model: run a script, or a folder with --entry, on data, and register what it writes',
      load: async () => (await import('./verbs/training/train.ts')).addTrain,
    },
    {
      usage: 'pipeline',
      summary: 'train, evaluate, approve if better and roll out, by one file and its triggers',
      load: async () => (await import('./verbs/training/pipeline.ts')).addPipeline,
    },
    {
      usage: 'training',
      summary: 'list, show, stop and delete training jobs, and read what they print',
      load: async () => (await import('./verbs/training/training.ts')).addTraining,
    },
    {
      usage: 'tune <path>',
      summary: 'tune hyperparameters: train a script with values from their ranges, and find the best',
      load: async () => (await import('./verbs/training/tune.ts')).addTune,
    },
    {
      usage: 'tuning',
      summary: 'list, show, stop and delete tuning jobs',
      load: async () => (await import('./verbs/training/tuning.ts')).addTuning,
    },
    {
      usage: 'reproduce <group/version>',
      summary: 'train a version again, and check that the model has the same bytes, or else the same metrics',
      load: async () => (await import('./verbs/training/reproduce.ts')).addReproduce,
    },
  ],
  'Planning:': [
    {
      usage: 'plan <model>',
      summary: 'predict the cost of a model on functions and the best setting, without deploying it',
      load: async () => (await import('./verbs/planning/plan.ts')).addPlan,
    },
    {
      usage: 'select <models|endpoint...>',
      summary: 'choose the model, or the cascade of two, for an accuracy or a budget, or show what an endpoint serves',
      load: async () => (await import('./verbs/planning/select.ts')).addSelect,
    },
    {
      usage: 'simulate',
      summary: 'simulate the cost and latency of scaling policies under a synthetic, recorded or replayed load',
      load: async () => (await import('./verbs/planning/simulate.ts')).addSimulate,
    },
  ],
  'Endpoints:': [
    {
      usage: 'deploy <model> [endpoint]',
      summary: 'deploy a file, a folder, GROUP/VERSION, catalogue:NAME or --select to an endpoint',
      load: async () => (await import('./verbs/endpoints/deploy.ts')).addDeploy,
    },
    { usage: 'endpoints', summary: 'list the endpoints', load: async () => (await import('./verbs/endpoints/endpoints.ts')).addEndpoints },
    {
      usage: 'describe <endpoint|group/version|group|job>',
      summary: 'show the details of an endpoint, a version, a group or a job',
      load: async () => (await import('./verbs/endpoints/describe.ts')).addDescribe,
    },
    {
      usage: 'invoke <endpoint>',
      summary: 'send rows to an endpoint and print its predictions, one per line',
      load: async () => (await import('./verbs/endpoints/invoke.ts')).addInvoke,
    },
    {
      usage: 'load-test <endpoint>',
      summary: 'put an endpoint under load and check whether it meets its objective',
      load: async () => (await import('./verbs/endpoints/load-test.ts')).addLoadTest,
    },
    {
      usage: 'continue <endpoint>',
      summary: 'continue a paused update without the answers that it waits for',
      load: async () => (await import('./verbs/endpoints/continue.ts')).addContinue,
    },
    {
      usage: 'rollback <endpoint>',
      summary: 'revert the update in progress, or return to the previous version; repeat to go further back',
      load: async () => (await import('./verbs/endpoints/rollback.ts')).addRollback,
    },
    {
      usage: 'unload <endpoint>',
      summary: 'stop the workers of an endpoint and keep its settings',
      load: async () => (await import('./verbs/endpoints/load.ts')).addUnload,
    },
    {
      usage: 'load <endpoint>',
      summary: 'serve an unloaded endpoint again, or replace the workers of a loaded one',
      load: async () => (await import('./verbs/endpoints/load.ts')).addLoad,
    },
    {
      usage: 'delete <endpoint|group/version>',
      summary: 'delete an endpoint, an unused model version, or an empty group',
      load: async () => (await import('./verbs/endpoints/endpoints.ts')).addDelete,
    },
  ],
  'Asynchronous and batch:': [
    {
      usage: 'async',
      summary: 'submit and manage asynchronous requests',
      load: async () => (await import('./verbs/endpoints/async.ts')).addAsync,
    },
    {
      usage: 'transform [model]',
      summary: 'run a whole data set through a model, on dedicated workers',
      load: async () => (await import('./verbs/endpoints/transform.ts')).addTransform,
    },
  ],
  'Observability:': [
    {
      usage: 'top',
      summary: 'show the activity of each endpoint, live',
      load: async () => (await import('./verbs/observability/top.ts')).addTop,
    },
    {
      usage: 'metrics <endpoint>',
      summary: 'show the metrics of an endpoint, by period',
      load: async () => (await import('./verbs/observability/metrics.ts')).addMetrics,
    },
    {
      usage: 'costs [endpoint]',
      summary: 'show the cost of endpoints, computed from their usage',
      load: async () => (await import('./verbs/observability/costs.ts')).addCosts,
    },
    {
      usage: 'decisions [endpoint]',
      summary: 'show the decisions and updates of an endpoint or all, with reasons and effects',
      load: async () => (await import('./verbs/observability/decisions.ts')).addDecisions,
    },
    {
      usage: 'why <request>',
      summary: 'explain the latency of a request, by the x-request-id of its response',
      load: async () => (await import('./verbs/observability/why.ts')).addWhy,
    },
    {
      usage: 'logs [endpoint]',
      summary: 'show the log of the server, of the requests to an endpoint, or of its workers',
      load: async () => (await import('./verbs/observability/logs.ts')).addLogs,
    },
    {
      usage: 'events [name]',
      summary: 'show the events of an endpoint and its alarms, a version, a transform, or all; the latest last',
      load: async () => (await import('./verbs/observability/events.ts')).addEvents,
    },
    {
      usage: 'alarms',
      summary: 'show alarms, and create, change and delete your own',
      load: async () => (await import('./verbs/observability/alarms.ts')).addAlarms,
    },
    {
      usage: 'rules',
      summary: 'show, create, change and delete event rules, show undelivered events, test patterns',
      load: async () => (await import('./verbs/observability/rules.ts')).addRules,
    },
    {
      usage: 'audit',
      summary: 'show and verify the audit log',
      load: async () => (await import('./verbs/observability/audit.ts')).addAudit,
    },
  ],
  'Data quality:': [
    {
      usage: 'drift <endpoint>',
      summary: "compare an endpoint's inputs with its baseline, and show the accuracy of its predictions",
      load: async () => (await import('./verbs/observability/drift.ts')).addDrift,
    },
    {
      usage: 'baseline <endpoint>',
      summary: "set an endpoint's baseline (default: the rows of the last hour)",
      load: async () => (await import('./verbs/observability/drift.ts')).addBaseline,
    },
    {
      usage: 'labels <endpoint>',
      summary: 'upload ground-truth labels, by inference id',
      load: async () => (await import('./verbs/observability/drift.ts')).addLabels,
    },
  ],
};
