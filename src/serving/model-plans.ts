/** What is known of each model before a request comes, made when its first one does. */
import { ModelPlan } from '../codecs/index.ts';
import type { Route } from './request.ts';

export class ModelPlans {
  readonly #plans = new WeakMap<Route, ModelPlan>();

  of(route: Route): ModelPlan {
    let plan = this.#plans.get(route);
    if (plan === undefined || plan.signature !== route.signature) {
      plan = new ModelPlan(route.endpoint, route.version, route.signature, route.batchable);
      this.#plans.set(route, plan);
    }
    return plan;
  }
}
