/** Errors of ports that cannot be bound. */
import type { Config } from '../../config.ts';
import { messageOf, PlatformError } from '../../errors.ts';

type Address = Pick<Config, 'host' | 'port'>;

/** Of the port for HTTP. An error of the gRPC port, which the same processes bind, stays as it is. */
export function cannotListen({ host, port }: Address, cause: unknown): PlatformError {
  if (cause instanceof PlatformError && cause.message.startsWith(grpcPrefix)) return cause;
  const what = isInUse(cause) ? 'another program is using it; choose another --port (0: any free port)' : messageOf(cause);
  return new PlatformError('unavailable', `cannot listen on ${host}:${port}: ${what}`, { cause });
}

const grpcPrefix = 'cannot listen for gRPC';

/** Of the port for gRPC. */
export function cannotListenForGrpc({ host, port }: Address, cause: unknown): PlatformError {
  const choice = 'choose another --grpc-port (0: any free port, off: no gRPC)';
  const what = isInUse(cause) ? `another program is using it; ${choice}` : messageOf(cause);
  return new PlatformError('unavailable', `${grpcPrefix} on ${host}:${port}: ${what}`, { cause });
}

/** The default gRPC port of Triton. */
const grpcPortDefault = 8001;

/** Null: off. With a random port for HTTP, that for gRPC is random, too. */
export function grpcPortOf({ port, grpcPort }: Pick<Config, 'port' | 'grpcPort'>): number | null {
  if (grpcPort === 'off') return null;
  return grpcPort ?? (port === 0 ? 0 : grpcPortDefault);
}

function isInUse(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
}
