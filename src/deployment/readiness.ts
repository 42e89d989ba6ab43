/** Whether the server is ready for requests. */
import { nameKey } from '../names.ts';
import type { Availability } from '../storage/index.ts';
import type { Deployments } from './deployments.ts';
import type { EndpointView } from './endpoint-view.ts';

/**
 * The server is ready once every endpoint that existed at startup is in service, failed or unloaded. Later failures of single endpoints do
 * not change that; only draining does.
 */
export class Readiness {
  readonly #availability: Pick<Availability, 'takenOver'>;
  readonly #awaited: Set<string>;
  #isEnding = false;
  readonly #listeners: (() => void)[] = [];

  constructor(deployments: Pick<Deployments, 'list' | 'onChange' | 'onDeleted'>, availability: Pick<Availability, 'takenOver'>) {
    this.#availability = availability;
    this.#awaited = new Set(deployments.list().map(({ config }) => config.name));
    deployments.onChange((view) => this.#settle(view));
    deployments.onDeleted((name) => this.#markSettled(name));
    for (const view of deployments.list()) this.#settle(view);
  }

  get isEnding(): boolean {
    return this.#isEnding;
  }

  get state(): { readonly ready: boolean; readonly reason: string | null } {
    if (this.#isEnding) return { ready: false, reason: 'the server is shutting down' };
    // Losing the database does not affect readiness, unless another server has taken it over: then this one may serve outdated state.
    const { takenOver } = this.#availability;
    if (takenOver !== null) return { ready: false, reason: takenOver };
    if (this.#awaited.size === 0) return { ready: true, reason: null };
    return { ready: false, reason: `coming back into service: ${[...this.#awaited].join(', ')}` };
  }

  /** Whether an endpoint that existed at startup is not in service yet, nor failed or unloaded. Its name in any case. */
  isAwaited(endpoint: string): boolean {
    if (this.#awaited.size === 0) return false;
    return [...this.#awaited].some((name) => nameKey(name) === nameKey(endpoint));
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** From now on the server is not ready. */
  end(): void {
    this.#isEnding = true;
    for (const listener of this.#listeners) listener();
  }

  #settle({ config, status }: EndpointView): void {
    if (status === 'InService' || status === 'Failed' || status === 'Unloaded') this.#markSettled(config.name);
  }

  #markSettled(name: string): void {
    if (!this.#awaited.delete(name)) return;
    for (const listener of this.#listeners) listener();
  }
}
