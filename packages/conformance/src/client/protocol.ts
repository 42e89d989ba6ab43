/** The gRPC services that the suite calls, from the definitions in `proto/`, the same that Penstock serves. */
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

export interface GrpcServices {
  readonly inference: ServiceDefinition;
  readonly health: ServiceDefinition;
}

/** 64-bit integers are decoded as strings to stay exact; unset fields have their defaults. */
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

export function loadServices(): GrpcServices {
  const includeDirs = [fileURLToPath(new URL('../../proto/', import.meta.url))];
  const loaded = loadSync(['grpc_service.proto', 'health.proto'], { ...options, includeDirs });
  return {
    inference: loaded['inference.GRPCInferenceService'] as ServiceDefinition,
    health: loaded['grpc.health.v1.Health'] as ServiceDefinition,
  };
}
