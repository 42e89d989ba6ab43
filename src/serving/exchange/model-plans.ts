/** Caches the `ModelPlan` of each route, created at its first request. */
import { ModelPlan } from '../../codecs/index.ts';
import type { ServedRoute } from '../request.ts';

/** Keyed weakly: a plan goes with the route that it was made for. */
export class ModelPlans {
  readonly #plans = new WeakMap<ServedRoute, ModelPlan>();

  /** The plan of a route, made again when the signature of the route has changed. */
  of(route: ServedRoute): ModelPlan {
    let plan = this.#plans.get(route);
    if (plan === undefined || plan.signature !== route.signature) {
      plan = new ModelPlan(route.endpoint, route.version, route.signature, route.batchable);
      this.#plans.set(route, plan);
    }
    return plan;
  }
}
