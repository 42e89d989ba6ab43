/** SageMaker's control plane: registry, endpoints, transform jobs, training jobs and tuning jobs. */
import { sameName } from '../../names.ts';
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints/endpoints.ts';
import { openRegistryServices, type RegistryServicesOptions } from './models/registry-services.ts';
import { RecommendationJobs, type RecommendationJobsOptions } from './recommendation-jobs.ts';
import { searchOperation } from './search.ts';
import { TrainingJobOperations, type TrainingJobsOptions } from './training/training-jobs.ts';
import { TuningJobOperations, type TuningJobsOptions } from './training/tuning-jobs.ts';
import { TransformJobs, type TransformJobsOptions } from './transform-jobs.ts';

export type SageMakerOptions = Omit<RegistryServicesOptions, 'hasEndpoint' | 'hasTrainingJob' | 'hasTuningJob'> &
  Omit<EndpointsOptions, 'documents' | 'tags' | 'findModel'> &
  Pick<TransformJobsOptions, 'transforms'> &
  Pick<TrainingJobsOptions, 'training' | 'imageOf'> &
  Pick<TuningJobsOptions, 'tuning'> &
  Pick<RecommendationJobsOptions, 'planner' | 'profiles'>;

export function sagemakerService(options: SageMakerOptions): AwsService {
  const { deployments, training, tuning } = options;
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => sameName(config.name, name));
  const hasTrainingJob = async (name: string) => (await training.find(name)) !== null;
  const hasTuningJob = async (name: string) => (await tuning.find(name)) !== null;
  const registryServices = openRegistryServices({ ...options, hasEndpoint, hasTrainingJob, hasTuningJob });
  const { documents, tags, models, packages, operations, searchable } = registryServices;
  const findModel = models.findModel.bind(models);
  const endpoints = endpointOperations({ ...options, documents, tags, findModel });
  const jobs = new TransformJobs({ ...options, documents, tags, findModel });
  const findPackage = packages.find.bind(packages);
  const recommendations = new RecommendationJobs({ ...options, documents, tags, findModel, findPackage });
  const trainingJobs = new TrainingJobOperations({ ...options, tags });
  const tuningJobs = new TuningJobOperations({ ...options, tags });
  const Search = searchOperation({ ...searchable, Endpoint: endpoints.searchable, TrainingJob: trainingJobs.searchable });
  const ofJobs = { ...jobs.operations(), ...trainingJobs.operations(), ...tuningJobs.operations(), ...recommendations.operations() };
  return { name: 'sagemaker', operations: { ...operations, ...endpoints.operations, ...ofJobs, Search } };
}
