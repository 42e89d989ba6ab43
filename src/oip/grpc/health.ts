/** `grpc.health.v1.Health`, for probes: open to everybody, about the server as a whole. Of a single model, `ModelReady` tells. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { shown } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { OipServices } from '../neighbours.ts';
import { serviceNames } from './protocol.ts';

export type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

/** Empty: the server. */
const known: readonly string[] = ['', serviceNames.inference];

type Watcher = ServerWritableStream<{ readonly service: string }, { readonly status: ServingStatus }>;

export class GrpcHealth {
  readonly #services: Pick<OipServices, 'health' | 'onHealthChange'>;
  readonly #watchers = new Map<Watcher, ServingStatus>();
  #isClosing = false;

  constructor(services: Pick<OipServices, 'health' | 'onHealthChange'>) {
    this.#services = services;
    services.onHealthChange(() => this.#tell());
  }

  /** Throws `not_found` for a service that is not known. */
  check(service: string): ServingStatus {
    if (known.includes(service)) return this.#status();
    throw new PlatformError(
      'not_found',
      `there is no service '${shown(service)}'; ask for ${serviceNames.inference}, or none for the server`,
    );
  }

  /** The state now, and whenever it changes. */
  readonly watch = (call: Watcher): void => {
    const status = known.includes(call.request.service) ? this.#status() : 'SERVICE_UNKNOWN';
    this.#watchers.set(call, status);
    call.on('cancelled', () => this.#watchers.delete(call));
    call.write({ status });
    if (this.#isClosing) call.end();
  };

  /** Whoever watches is told that this is the end, and let go. */
  close(): void {
    this.#isClosing = true;
    this.#tell();
    for (const call of this.#watchers.keys()) call.end();
  }

  #status(): ServingStatus {
    return !this.#isClosing && this.#services.health().ready ? 'SERVING' : 'NOT_SERVING';
  }

  #tell(): void {
    const status = this.#status();
    for (const [call, told] of this.#watchers) {
      if (told === status || told === 'SERVICE_UNKNOWN') continue;
      this.#watchers.set(call, status);
      call.write({ status });
    }
  }
}
