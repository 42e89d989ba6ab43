/** SageMaker's control plane: registry, endpoints, transform jobs, training, processing and tuning jobs, pipelines. */
import { sameName } from '../../names.ts';
import { processingJobId } from '../../training/index.ts';
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints/endpoints.ts';
import { openRegistryServices, type RegistryServicesOptions } from './models/registry-services.ts';
import type { ExecutePipelineDeps } from './pipelines/execution-deps.ts';
import { ExecutionRows } from './pipelines/execution-rows.ts';
import { Executions } from './pipelines/executions.ts';
import { PipelineOperations } from './pipelines/pipeline-operations.ts';
import { PipelineViews } from './pipelines/pipeline-views.ts';
import { RecommendationJobs, type RecommendationJobsOptions } from './recommendation-jobs.ts';
import { searchOperation } from './search.ts';
import type { TagsOptions } from './tags.ts';
import { ProcessingJobOperations } from './training/processing-jobs.ts';
import { TrainingJobOperations, type TrainingJobsOptions } from './training/training-jobs.ts';
import { TuningJobOperations, type TuningJobsOptions } from './training/tuning-jobs.ts';
import { TransformJobs, type TransformJobsOptions } from './transform-jobs.ts';

export type SageMakerOptions = Omit<RegistryServicesOptions, 'hasEndpoint' | 'hasJob'> &
  Omit<EndpointsOptions, 'documents' | 'tags' | 'findModel'> &
  Pick<TransformJobsOptions, 'transforms'> &
  Pick<TrainingJobsOptions, 'training' | 'imageOf'> &
  Pick<TuningJobsOptions, 'tuning'> &
  Pick<ExecutePipelineDeps, 'access' | 'awsLocation' | 'log'> &
  Pick<RecommendationJobsOptions, 'planner' | 'profiles'>;

/** The service with what the server uses of it outside the API. */
export interface SageMakerService extends AwsService {
  /** Of its pipelines; to be opened and closed. */
  readonly executions: Executions;
  readonly pipelineViews: PipelineViews;
  /** Starts an execution of a pipeline on behalf of a rule. False if there is no such pipeline. */
  readonly startPipeline: PipelineOperations['startByEvent'];
}

export function sagemakerService(options: SageMakerOptions): SageMakerService {
  const { deployments, training, tuning, db } = options;
  const all = (): AwsService['operations'] => operationsOf;
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => sameName(config.name, name));
  const hasJob: TagsOptions['hasJob'] = async (type, name) => {
    if (type === 'hyper-parameter-tuning-job') return (await tuning.find(name)) !== null;
    return (await training.find(type === 'processing-job' ? processingJobId(name) : name)) !== null;
  };
  const registryServices = openRegistryServices({ ...options, hasEndpoint, hasJob });
  const { documents, tags, models, packages, operations, searchable } = registryServices;
  const findModel = models.findModel.bind(models);
  const endpoints = endpointOperations({ ...options, documents, tags, findModel });
  const jobs = new TransformJobs({ ...options, documents, tags, findModel });
  const findPackage = packages.find.bind(packages);
  const recommendations = new RecommendationJobs({ ...options, documents, tags, findModel, findPackage });
  const trainingJobs = new TrainingJobOperations({ ...options, tags });
  const processingJobs = new ProcessingJobOperations({ ...options, tags });
  const tuningJobs = new TuningJobOperations({ ...options, tags });
  const Search = searchOperation({ ...searchable, Endpoint: endpoints.searchable, TrainingJob: trainingJobs.searchable });
  const ofJobs = {
    ...jobs.operations(),
    ...trainingJobs.operations(),
    ...processingJobs.operations(),
    ...tuningJobs.operations(),
    ...recommendations.operations(),
  };
  const rows = new ExecutionRows(db);
  const executions = new Executions({ ...options, rows, operations: all });
  const pipelines = new PipelineOperations({ ...options, documents, tags, executions, rows, operations: all });
  const operationsOf = { ...operations, ...endpoints.operations, ...ofJobs, ...pipelines.operations(), Search };
  return {
    name: 'sagemaker',
    operations: operationsOf,
    executions,
    pipelineViews: new PipelineViews({ ...options, documents, executions }),
    startPipeline: (...start) => pipelines.startByEvent(...start),
  };
}
