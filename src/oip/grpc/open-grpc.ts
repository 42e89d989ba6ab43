/** Opens the gRPC port. */
import type { Config } from '../../config.ts';
import { PlatformError } from '../../errors.ts';
import { type Certificate, grpcPortOf } from '../../http/index.ts';
import type { OipDeps } from '../deps.ts';
import { type GrpcFronts, GrpcListener } from './grpc-listener.ts';

/** The open port. */
export interface GrpcPort {
  /** `127.0.0.1:8001` */
  readonly address: string;
  /** Like `Listener.drain`. */
  drain(time: { readonly timeoutMs: number; readonly graceMs: number }): Promise<void>;
  close(): Promise<void>;
}

/** Null if gRPC is off, or if its default port is taken and none was configured. `fronts`: those of the server, if it has any. */
export async function openGrpc(
  config: Config,
  services: OipDeps,
  { tls, fronts }: { readonly tls: Certificate | null; readonly fronts: GrpcFronts | null },
): Promise<GrpcPort | null> {
  const { host, grpcPort } = config;
  const port = grpcPortOf(config);
  if (port === null || fronts?.grpcAddress === null) return null;
  const listener = new GrpcListener(services, { host, port, tls, fronts });
  try {
    return { address: await listener.listen(), drain: (time) => listener.drain(time), close: () => listener.close() };
  } catch (error) {
    // Most servers are used over HTTP only: a default port that is taken must not prevent startup.
    if (grpcPort !== null || !(error instanceof PlatformError)) throw error;
    services.log.warn({}, `gRPC is not served: ${error.message}`);
    return null;
  }
}
