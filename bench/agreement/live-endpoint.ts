/** Reads counters, logs and decisions of a live endpoint. */

import type { ArrivalsBody, EndpointBody, PageBody, ScalingDecisionBody, VariantBody } from '../../src/api/index.ts';
import { percentileOf } from '../load/latencies.ts';

interface LiveCounts {
  readonly overflowed: number;
  readonly totalUsd: number;
}

const calmMs = 120_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class LiveEndpoint {
  readonly #url: URL;
  readonly #name: string;

  constructor(url: URL, name: string) {
    this.#url = url;
    this.#name = name;
  }

  /** Waits until the endpoint is idle: no traffic for two slots, one instance wanted and ready, at most one idle function. */
  async calm(): Promise<void> {
    await pause(20_000);
    for (const untilMs = Date.now() + calmMs; ; await pause(500)) {
      const { wanted, ready, environments, workers } = await this.#variant();
      const { starting = 0, idle = 0, busy = 0 } = environments ?? {};
      if (wanted === 1 && ready === 1 && starting + busy === 0 && idle <= 1 && workers.length <= 2) return;
      if (Date.now() > untilMs)
        throw new Error(`${this.#name} did not become idle within ${calmMs / 1000} s: ${JSON.stringify({ wanted, ready, environments })}`);
    }
  }

  async until(atMs: number): Promise<void> {
    await pause(atMs - Date.now());
  }

  async counts(): Promise<LiveCounts> {
    const { statistics, usage } = await this.#variant();
    return { overflowed: statistics?.overflowed ?? 0, totalUsd: usage.total_usd };
  }

  /** The median compute time of requests since `sinceMs`, without queueing and gateway overhead. */
  async runP50Ms(sinceMs: number): Promise<number> {
    const { items } = await this.#get<PageBody<{ readonly line: string }>>('/logs?limit=1000');
    const lines = items.map(({ line }) => JSON.parse(line) as { readonly at: number; readonly computeMs: number });
    const runs = lines.filter(({ at }) => at >= sinceMs).map(({ computeMs }) => computeMs);
    if (runs.length === 0) throw new Error(`${this.#name} served no requests since ${new Date(sinceMs).toISOString()}`);
    return percentileOf(
      runs.sort((a, b) => a - b),
      50,
    );
  }

  /** Measured start times of instances and functions. */
  async starts(type: string): Promise<{ readonly leadMs: number; readonly coldMs: number | null }> {
    const [latest] = await this.#decisions(1);
    const { environments } = await this.#variant();
    return { leadMs: (latest?.inputs?.types[type]?.lead_s ?? 0) * 1000, coldMs: environments?.cold_start_ms ?? null };
  }

  /** Rows per slot before `untilMs`; null for slots without data. */
  async countsBefore(untilMs: number, slotMs: number): Promise<(number | null)[]> {
    const {
      from,
      slot_s: slotS,
      rows,
    } = await this.#get<ArrivalsBody>(`/arrivals?since=1970-01-01T00:00:00Z&until=${new Date(untilMs).toISOString()}`);
    const slots: (number | null)[] = [];
    const firstMs = Date.parse(from);
    for (let slotFromMs = Math.ceil(firstMs / slotMs) * slotMs; slotFromMs < untilMs; slotFromMs += slotMs) {
      const first = (slotFromMs - firstMs) / (slotS * 1000);
      const counts = rows.slice(first, first + slotMs / (slotS * 1000));
      slots.push(counts.includes(null) ? null : counts.reduce<number>((sum, count) => sum + (count ?? 0), 0));
    }
    return slots;
  }

  /** Decisions since `sinceMs` in chronological order, including those without a change, to explain differences. */
  async decisions(sinceMs: number): Promise<string[]> {
    const all = await this.#decisions(50);
    return all
      .filter(({ at }) => Date.parse(at) >= sinceMs)
      .map(({ at, explanation }) => `${((Date.parse(at) - sinceMs) / 1000).toFixed(1)} s: ${explanation}`)
      .toReversed();
  }

  async #decisions(limit: number): Promise<readonly ScalingDecisionBody[]> {
    return (await this.#get<PageBody<ScalingDecisionBody>>(`/decisions?kind=scaling&limit=${limit}`)).items;
  }

  async #variant(): Promise<VariantBody> {
    return (await this.#get<EndpointBody>('')).variants[0] as VariantBody;
  }

  async #get<Body>(path: string): Promise<Body> {
    const response = await fetch(new URL(`/api/v1/endpoints/${this.#name}${path}`, this.#url));
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  }
}
