/** Numbers the routes of the catalogue. A route keeps its number while it is served; numbers are not reused. */
import type { PlainEndpoint, ServedRoute } from '../serving/index.ts';
import type { CatalogueEndpoint } from './catalogue.ts';

/** A call for a number that is no longer known is answered with `changed`. */
export class RouteNumbers {
  readonly #numbers = new WeakMap<ServedRoute, number>();
  #routes = new Map<number, ServedRoute>();
  #last = 0;

  /** From now on, `routeOf` knows only the routes of these endpoints. */
  catalogueOf(endpoints: readonly PlainEndpoint[]): readonly CatalogueEndpoint[] {
    this.#routes = new Map();
    return endpoints.map(({ name, variants }) => ({
      name,
      routes: variants.map(({ route, weight, plan }) => {
        const { endpoint, version, signature, batchable, batchSizeMax } = route;
        const number = this.#numbers.get(route) ?? ++this.#last;
        this.#numbers.set(route, number);
        this.#routes.set(number, route);
        return { route: number, endpoint, version, weight, signature, batchable, batchSizeMax, plan };
      }),
    }));
  }

  routeOf(number: number): ServedRoute | undefined {
    return this.#routes.get(number);
  }
}
