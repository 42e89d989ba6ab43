/**
 * Serverless endpoints on a live platform under bursts. Each policy gets the same arrivals on a new server; the first minute of the load
 * is for learning and is not measured.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Phase } from '../../src/cli/load/open-loop.ts';
import { percentileOf } from '../load/latencies.ts';
import { type LoadReport, type LoadWindow, runLoad } from '../load/load.ts';
import { binaryRequest } from '../overhead/requests.ts';
import { Platform } from '../servers/platform.ts';
import { type Mmpp, mmppPhases } from './mmpp.ts';

export interface ServerlessModel {
  readonly name: string;
  readonly input: string;
  readonly rowShape: readonly number[];
  readonly objectiveMs: number;
  readonly load: Mmpp;
}

export const models: readonly ServerlessModel[] = [
  {
    name: 'loadtest_wide_mlp',
    input: 'x',
    rowShape: [3072],
    objectiveMs: 100,
    load: { quietPerSecond: 40, burstPerSecond: 120, quietMs: 4000, burstMs: 2000 },
  },
  {
    name: 'loadtest_cnn_224',
    input: 'image',
    rowShape: [3, 224, 224],
    objectiveMs: 100,
    load: { quietPerSecond: 35, burstPerSecond: 60, quietMs: 4000, burstMs: 2000 },
  },
];

export interface PolicyResult {
  readonly model: string;
  readonly policy: string;
  readonly requests: number;
  /** Responses other than 200, by status. */
  readonly failures: Readonly<Record<string, number>>;
  readonly objectiveMs: number;
  /** Measured at the client. */
  readonly clientP95Ms: number;
  readonly inTime: number;
  /** Windows of 10 s with at least 300 requests, and how many of them met the objective at p95. */
  readonly windows: number;
  readonly windowsKept: number;
  /** Predicted by the decision in force, and measured by the platform. */
  readonly predictedP95Ms: number | null;
  readonly measuredP95Ms: number | null;
  readonly batchSizeMax: number;
  readonly meanBatch: number | null;
  readonly costUsdPerMillion: number | null;
  readonly predictedUsdPerMillion: number | null;
}

interface Decision {
  readonly chosen: { readonly batch_size_max: number };
  readonly changes: boolean;
  readonly alternatives: readonly {
    readonly label: string;
    readonly predicted: { readonly p95_ms: number; readonly cost_usd_per_million: number };
  }[];
  readonly effect: {
    readonly requests: number;
    readonly p95_ms: number;
    readonly mean_batch: number;
    readonly cost_usd_per_million: number;
  } | null;
}

const warmUpMs = 60_000;
/** Length of a period of decisions, and of a window of the report. */
const windowMs = 10_000;
/** Until the effect of the last decision is known. */
const effectMs = 12_000;
const windowRequestsMin = 300;
const seed = 20_261_124;

/** A live serverless endpoint of one model. */
export class LiveFunctions {
  readonly #platform: Platform;
  readonly #model: ServerlessModel;

  private constructor(platform: Platform, model: ServerlessModel) {
    this.#platform = platform;
    this.#model = model;
  }

  static async start(model: ServerlessModel, policy: string): Promise<LiveFunctions> {
    const platform = new Platform({ PENSTOCK_BATCH_PERIOD: `${windowMs / 1000}s` });
    try {
      await platform.start();
      const modelPath = fileURLToPath(new URL(`../../test/models/${model.name}.onnx`, import.meta.url));
      const flags = ['--serverless', '--batching', policy];
      await platform.deploy({ modelPath, name: 'bursts', objective: `p95<=${model.objectiveMs}ms`, flags });
      return new LiveFunctions(platform, model);
    } catch (error) {
      await platform.close();
      throw error;
    }
  }

  load(phases: readonly Phase[], loadSeed: number): Promise<LoadReport> {
    const { url } = this.#platform.server;
    const { name, input, rowShape, objectiveMs } = this.#model;
    const row = readFileSync(new URL(`../../test/models/samples/${name}.${input}.bin`, import.meta.url));
    const size = rowShape.reduce((product, each) => product * each, 1);
    const values = new Float32Array(new Uint8Array(row).buffer).subarray(0, size);
    return runLoad({
      host: url.hostname,
      port: Number(url.port),
      requests: [binaryRequest(url, 'bursts', input, [1, ...rowShape], values)],
      shape: { kind: 'open', phases, seed: loadSeed, connections: 128 },
      limitMs: objectiveMs,
      windowMs,
    });
  }

  /** What was predicted and measured from `fromMs` until now, once the last effect is known. */
  async reported(fromMs: number) {
    await new Promise((resolve) => setTimeout(resolve, effectMs));
    return reported(this.#platform.server.url, fromMs);
  }

  end(): Promise<void> {
    return this.#platform.close();
  }
}

export async function runPolicy(model: ServerlessModel, policy: string, measureMs: number): Promise<PolicyResult> {
  const functions = await LiveFunctions.start(model, policy);
  try {
    await functions.load(mmppPhases(model.load, warmUpMs, seed), seed);
    const fromMs = Date.now();
    const report = await functions.load(mmppPhases(model.load, measureMs, seed + 1), seed + 1);
    return { ...summary(model, policy, report), ...(await functions.reported(fromMs)) };
  } finally {
    await functions.end();
  }
}

function summary({ name, objectiveMs }: ServerlessModel, policy: string, report: LoadReport) {
  const { answers, failures, latencyMs, inTime, windows = [] } = report;
  const full = windows.filter((window: LoadWindow) => window.answers >= windowRequestsMin);
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  return {
    model: name,
    policy,
    requests: answers + failed,
    failures,
    objectiveMs,
    clientP95Ms: latencyMs.p95,
    inTime,
    windows: full.length,
    windowsKept: full.filter(({ p95Ms }) => p95Ms <= objectiveMs).length,
  };
}

/** Predictions and results of the decisions during the measurement, weighted by requests. */
async function reported(url: URL, fromMs: number) {
  const response = await fetch(new URL('/api/v1/endpoints/bursts/decisions?limit=100', url));
  const { items: decisions } = (await response.json()) as { items: readonly (Decision & { readonly at: string })[] };
  const known = decisions.filter(({ at, effect }) => effect !== null && effect.requests > 0 && Date.parse(at) >= fromMs - windowMs);
  const chosenOf = (decision: Decision) => decision.alternatives.find(({ label }) => label === 'chosen');
  const weighted = (value: (decision: Decision) => number | undefined): number | null => {
    let [sum, weight] = [0, 0];
    for (const decision of known) {
      const each = value(decision);
      if (each === undefined || decision.effect === null) continue;
      sum += each * decision.effect.requests;
      weight += decision.effect.requests;
    }
    return weight === 0 ? null : sum / weight;
  };
  const sizes = known.map(({ chosen }) => chosen.batch_size_max).sort((a, b) => a - b);
  return {
    predictedP95Ms: weighted((decision) => chosenOf(decision)?.predicted.p95_ms),
    measuredP95Ms: weighted(({ effect }) => effect?.p95_ms),
    batchSizeMax: percentileOf(sizes, 50),
    meanBatch: weighted(({ effect }) => effect?.mean_batch),
    costUsdPerMillion: weighted(({ effect }) => effect?.cost_usd_per_million),
    predictedUsdPerMillion: weighted((decision) => chosenOf(decision)?.predicted.cost_usd_per_million),
  };
}
