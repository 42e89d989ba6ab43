/** Follows, for the alarm, how many rows go on to the second model of the cascades that endpoints serve. */
import { type EscalationBaseline, EscalationWatch, escalationRuling } from '../data-quality/index.ts';
import type { ServedView } from '../serving/index.ts';

/** What is read of an endpoint. */
export type EscalationSource = (endpoint: string) => Pick<ServedView, 'variants'> | undefined;

export class Escalations {
  readonly #watch = new EscalationWatch();
  readonly #endpoint: EscalationSource;

  constructor(endpoint: EscalationSource) {
    this.#endpoint = endpoint;
  }

  /** Reads the counts since the last call. Null for an endpoint without a cascade. */
  poll(endpoint: string): ReturnType<typeof escalationRuling> {
    const ladders = (this.#endpoint(endpoint)?.variants ?? []).flatMap(({ ladder, isShadow }) =>
      ladder === null || isShadow ? [] : [ladder],
    );
    const baselines = new Map<string, EscalationBaseline>();
    const totals = new Map<string, { rows: number; escalated: number }>();
    for (const { config, rungs } of ladders) {
      const { rows = 0, atMs: decidedAtMs = 0 } = config.selection?.decision ?? {};
      for (const [i, { name, second, escalated }] of config.rungs.entries()) {
        if (second === null || rows === 0) continue;
        baselines.set(name, { plan: name, rows, escalated: Math.round(escalated * rows), decidedAtMs });
        const total = totals.get(name) ?? { rows: 0, escalated: 0 };
        total.rows += rungs[i]?.rows ?? 0;
        total.escalated += rungs[i]?.escalated ?? 0;
        totals.set(name, total);
      }
    }
    if (baselines.size === 0) {
      this.#watch.forget(endpoint);
      return null;
    }
    this.#watch.expect(endpoint, [...baselines.values()]);
    for (const [plan, total] of totals) this.#watch.counted(endpoint, plan, total);
    return escalationRuling(this.#watch.view(endpoint));
  }
}
