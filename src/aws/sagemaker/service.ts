/** SageMaker's control plane: what can be deployed, and what is. */
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints.ts';
import { type RegistrySideOptions, registrySide } from './registry-side.ts';
import { TransformJobs, type TransformJobsOptions } from './transform-jobs.ts';

export type SageMakerOptions = Omit<RegistrySideOptions, 'hasEndpoint'> &
  Omit<EndpointsOptions, 'documents' | 'tags' | 'findModel'> &
  Pick<TransformJobsOptions, 'transforms'>;

export function sagemakerService(options: SageMakerOptions): AwsService {
  const { deployments } = options;
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => config.name.toLowerCase() === name.toLowerCase());
  const { documents, tags, models, operations } = registrySide({ ...options, hasEndpoint });
  const findModel = models.findModel.bind(models);
  const endpoints = endpointOperations({ ...options, documents, tags, findModel });
  const jobs = new TransformJobs({ ...options, documents, tags, findModel });
  return { name: 'sagemaker', operations: { ...operations, ...endpoints, ...jobs.operations() } };
}
