/** SageMaker's control plane: registry, endpoints, transform jobs, training, processing and tuning jobs. */
import { sameName } from '../../names.ts';
import { processingJobId } from '../../training/index.ts';
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints/endpoints.ts';
import { openRegistryServices, type RegistryServicesOptions } from './models/registry-services.ts';
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
  Pick<RecommendationJobsOptions, 'planner' | 'profiles'>;

export function sagemakerService(options: SageMakerOptions): AwsService {
  const { deployments, training, tuning } = options;
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
  return { name: 'sagemaker', operations: { ...operations, ...endpoints.operations, ...ofJobs, Search } };
}
