/** `grpc.health.v1.Health` for probes of the whole server, without authentication. `ModelReady` reports a single model. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { truncated } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { OipDeps } from '../deps.ts';
import { serviceNames } from './protocol.ts';

/** As the health protocol names them. */
export type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

/** The empty name stands for the whole server. */
const known: readonly string[] = ['', serviceNames.inference];

type Watcher = ServerWritableStream<{ readonly service: string }, { readonly status: ServingStatus }>;

/** Watchers get the status at once, and then each change of it. */
export class GrpcHealth {
  readonly #services: Pick<OipDeps, 'health' | 'onHealthChange'>;
  readonly #watchers = new Map<Watcher, ServingStatus>();
  #isClosing = false;

  constructor(services: Pick<OipDeps, 'health' | 'onHealthChange'>) {
    this.#services = services;
    services.onHealthChange(() => this.#notify());
  }

  /** Throws `not_found` for a service that is not known. */
  check(service: string): ServingStatus {
    if (known.includes(service)) return this.#status();
    throw new PlatformError(
      'not_found',
      `unknown service '${truncated(service)}': expected ${serviceNames.inference}, or an empty name for the server`,
    );
  }

  /** Sends the current status, and again after each change. */
  readonly watch = (call: Watcher): void => {
    const status = known.includes(call.request.service) ? this.#status() : 'SERVICE_UNKNOWN';
    this.#watchers.set(call, status);
    call.on('cancelled', () => this.#watchers.delete(call));
    call.write({ status });
    if (this.#isClosing) call.end();
  };

  /** Reports NOT_SERVING to all watchers and ends their calls. */
  close(): void {
    this.#isClosing = true;
    this.#notify();
    for (const call of this.#watchers.keys()) call.end();
  }

  #status(): ServingStatus {
    return !this.#isClosing && this.#services.health().ready ? 'SERVING' : 'NOT_SERVING';
  }

  #notify(): void {
    const status = this.#status();
    for (const [call, reported] of this.#watchers) {
      if (reported === status || reported === 'SERVICE_UNKNOWN') continue;
      this.#watchers.set(call, status);
      call.write({ status });
    }
  }
}
