/** The definitions of the gRPC side, read from the `.proto` files beside this one. They are shipped: clients may be made from them. */
import { fileURLToPath } from 'node:url';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';

const files = ['grpc_service.proto', 'health.proto', 'reflection.proto'];

/** Integers of 64 bits arrive as strings, so exactly; what is unset is there with its default. */
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

export interface Protocol {
  readonly inference: ServiceDefinition;
  readonly health: ServiceDefinition;
  readonly reflection: ServiceDefinition;
}

export const serviceNames = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
} as const satisfies Record<keyof Protocol, string>;

export function loadProtocol(): Protocol {
  const loaded = loadSync(files, { ...options, includeDirs: [fileURLToPath(new URL('.', import.meta.url))] });
  const service = (name: string): ServiceDefinition => loaded[name] as ServiceDefinition;
  return {
    inference: service(serviceNames.inference),
    health: service(serviceNames.health),
    reflection: service(serviceNames.reflection),
  };
}
