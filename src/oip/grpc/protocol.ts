/** Loads the gRPC definitions from the `.proto` files in this folder. They ship with the package, so that clients can be generated from them. */
import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition, type ServiceDefinition } from '@grpc/proto-loader';

const files = ['grpc_service.proto', 'health.proto', 'reflection.proto'];

/** 64-bit integers are decoded as strings to stay exact; unset fields have their defaults. */
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

/** Full names of the services. */
export const serviceNames = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
} as const;

/** A service of this port. */
export type ServiceName = keyof typeof serviceNames;

/** Input of the reflection service. */
export interface Descriptors {
  /** Each a `FileDescriptorProto`. */
  readonly files: readonly Buffer[];
  /** Full names of services, messages and enums. */
  readonly symbols: readonly string[];
}

/** Definitions of all services, and the descriptors that reflection returns. */
export interface Protocol extends Readonly<Record<ServiceName, ServiceDefinition>> {
  readonly descriptors: Descriptors;
}

/** Reads the files once, at the start. */
export function loadProtocol(): Protocol {
  const loaded = loadSync(files, { ...options, includeDirs: [fileURLToPath(new URL('.', import.meta.url))] });
  const service = (name: ServiceName): ServiceDefinition => loaded[serviceNames[name]] as ServiceDefinition;
  // Every message definition carries all file descriptors.
  const message = loaded['inference.ModelInferRequest'] as MessageTypeDefinition<object, object>;
  return {
    inference: service('inference'),
    health: service('health'),
    reflection: service('reflection'),
    descriptors: { files: message.fileDescriptorProtos, symbols: Object.keys(loaded) },
  };
}
