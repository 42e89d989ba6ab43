/** SageMaker's control plane: what can be deployed, and what is. */
import type { AwsService } from '../service.ts';
import { type EndpointsOptions, endpointOperations } from './endpoints.ts';
import { type RegistrySideOptions, registrySide } from './registry-side.ts';

export type SageMakerOptions = Omit<RegistrySideOptions, 'hasEndpoint'> & Omit<EndpointsOptions, 'documents' | 'tags' | 'findModel'>;

export function sagemakerService(options: SageMakerOptions): AwsService {
  const { deployments } = options;
  const hasEndpoint = (name: string) => deployments.list().some(({ config }) => config.name.toLowerCase() === name.toLowerCase());
  const { documents, tags, models, operations } = registrySide({ ...options, hasEndpoint });
  const endpoints = endpointOperations({ ...options, documents, tags, findModel: (name) => models.findModel(name) });
  return { name: 'sagemaker', operations: { ...operations, ...endpoints } };
}
