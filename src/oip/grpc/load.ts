/** Loads what gRPC takes only where it is served: a server without it starts sooner. */
import type { OipServices } from '../neighbours.ts';
import type { GrpcDoor, GrpcOptions } from './door.ts';

export async function loadGrpcDoor(services: OipServices, options: GrpcOptions): Promise<GrpcDoor> {
  const { GrpcDoor } = await import('./door.ts');
  return new GrpcDoor(services, options);
}
