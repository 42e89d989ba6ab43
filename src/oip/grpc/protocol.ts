/** The definitions of the gRPC side, read from the `.proto` files beside this one. They are shipped: clients may be made from them. */
import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition, type ServiceDefinition } from '@grpc/proto-loader';

const files = ['grpc_service.proto', 'health.proto', 'reflection.proto'];

/** Integers of 64 bits arrive as strings, so exactly; what is unset is there with its default. */
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

export const serviceNames = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
} as const;

export type ServiceName = keyof typeof serviceNames;

/** What reflection tells. */
export interface Descriptors {
  /** Each a `FileDescriptorProto`. */
  readonly files: readonly Buffer[];
  /** Services, messages and enums by their full names. */
  readonly symbols: readonly string[];
}

export interface Protocol extends Readonly<Record<ServiceName, ServiceDefinition>> {
  readonly descriptors: Descriptors;
}

export function loadProtocol(): Protocol {
  const loaded = loadSync(files, { ...options, includeDirs: [fileURLToPath(new URL('.', import.meta.url))] });
  const service = (name: ServiceName): ServiceDefinition => loaded[serviceNames[name]] as ServiceDefinition;
  // Every message brings the files of all.
  const message = loaded['inference.ModelInferRequest'] as MessageTypeDefinition<object, object>;
  return {
    inference: service('inference'),
    health: service('health'),
    reflection: service('reflection'),
    descriptors: { files: message.fileDescriptorProtos, symbols: Object.keys(loaded) },
  };
}
