/** Loads grpc-js only if gRPC is enabled, for a faster start without it. */
import type { OipDeps } from '../deps.ts';
import type { GrpcOptions, GrpcServer } from './grpc-server.ts';

export async function loadGrpcServer(services: OipDeps, options: GrpcOptions): Promise<GrpcServer> {
  const { GrpcServer: Loaded } = await import('./grpc-server.ts');
  return new Loaded(services, options);
}
