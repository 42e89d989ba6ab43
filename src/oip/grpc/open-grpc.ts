/** Opens the gRPC port. */
import type { Config } from '../../config.ts';
import { PlatformError } from '../../errors.ts';
import type { Certificate } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';
import type { GrpcOptions, GrpcServer } from './grpc-server.ts';

/** The open port. */
export interface GrpcPort {
  /** `127.0.0.1:8001` */
  readonly address: string;
  /** Like `Listener.drain`. */
  drain(time: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void>;
  close(): Promise<void>;
}

/** The default gRPC port of Triton. */
const grpcPortDefault = 8001;

/** Null if gRPC is off, or if its default port is taken and none was configured. */
export async function openGrpc({ host, port, grpcPort }: Config, services: OipDeps, tls: Certificate | null): Promise<GrpcPort | null> {
  if (grpcPort === 'off') return null;
  // With a random HTTP port, the gRPC port is random, too.
  const server = await loadGrpcServer(services, { host, port: grpcPort ?? (port === 0 ? 0 : grpcPortDefault), tls });
  try {
    return { address: await server.listen(), drain: (time) => server.drain(time), close: () => server.close() };
  } catch (error) {
    // Most servers are used over HTTP only: a default port that is taken must not prevent startup.
    if (grpcPort !== null || !(error instanceof PlatformError)) throw error;
    services.log.warn({}, `gRPC is not served: ${error.message}`);
    return null;
  }
}

/** Loads grpc-js only if gRPC is enabled, for a faster start without it. */
export async function loadGrpcServer(services: OipDeps, options: GrpcOptions): Promise<GrpcServer> {
  const { GrpcServer: Loaded } = await import('./grpc-server.ts');
  return new Loaded(services, options);
}
