/** SageMaker's control plane: registry, endpoints and transform jobs. */
import { sameName } from '../../names.ts';
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints/endpoints.ts';
import { openRegistryServices, type RegistryServicesOptions } from './models/registry-services.ts';
import { RecommendationJobs, type RecommendationJobsOptions } from './recommendation-jobs.ts';
import { searchOperation } from './search.ts';
import { TransformJobs, type TransformJobsOptions } from './transform-jobs.ts';

export type SageMakerOptions = Omit<RegistryServicesOptions, 'hasEndpoint'> &
  Omit<EndpointsOptions, 'documents' | 'tags' | 'findModel'> &
  Pick<TransformJobsOptions, 'transforms'> &
  Pick<RecommendationJobsOptions, 'planner' | 'profiles'>;

export function sagemakerService(options: SageMakerOptions): AwsService {
  const { deployments } = options;
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => sameName(config.name, name));
  const { documents, tags, models, packages, operations, searchable } = openRegistryServices({ ...options, hasEndpoint });
  const findModel = models.findModel.bind(models);
  const endpoints = endpointOperations({ ...options, documents, tags, findModel });
  const jobs = new TransformJobs({ ...options, documents, tags, findModel });
  const findPackage = packages.find.bind(packages);
  const recommendations = new RecommendationJobs({ ...options, documents, tags, findModel, findPackage });
  const Search = searchOperation({ ...searchable, Endpoint: endpoints.searchable });
  return {
    name: 'sagemaker',
    operations: { ...operations, ...endpoints.operations, ...jobs.operations(), ...recommendations.operations(), Search },
  };
}
