/** Routes of what was measured about a version: how long batches of each size take, on instances and in functions. */
import { z } from 'zod';
import type { PriceTable } from '../costs/index.ts';
import { type FunctionProfile, functionCost, type Profile, type ServedTimes, type ServicePoint } from '../profiling/index.ts';
import type { ModelVersion } from '../registry/index.ts';
import { type ProfileBody, profileBody } from './bodies.ts';
import { timeOf, versionPath } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const functionProfileBody = z.strictObject({
  memory_mib: z.number(),
  basis: z
    .enum(['measured', 'derived', 'unlimited'])
    .describe('Measured within the limits of this size; derived from an instance; or as on an instance, since nothing can be held here.'),
  fits: z.boolean().describe('Whether one row fits into the memory.'),
  peak_memory_mib: z.number().describe('What the worker took at its largest batch; where nothing fits, what one row takes.'),
  cold_ms: z.number().describe('From a warm worker without a model to its first answer.'),
  batch_max: z.number().describe('The largest batch that was measured and fits, in rows.'),
  service: profileBody.shape.service,
  measured_at: profileBody.shape.measured_at,
  cost_usd_per_million: z.number().nullable().describe('A million rows, each alone; null where nothing fits.'),
  best_batch: z.number().nullable().describe('The size of the batches that cost least.'),
  best_cost_usd_per_million: z.number().nullable().describe('A million rows in batches of that size.'),
  notes: z.array(z.string()),
});

const servedBody = z.strictObject({
  executor: profileBody.shape.executor,
  batches: z.number().describe('That it has served since the server started.'),
  batch_max: z.number(),
  service: z.array(
    z.strictObject({
      b: z.number(),
      basis: z.enum(['served', 'measured']).describe('Measured beforehand where that size was served too seldom.'),
      p50_ms: z.number(),
      p95_ms: z.number(),
      p99_ms: z.number(),
      samples: z.number(),
      quantiles_ms: z.array(z.number()).describe('The shortest run, what each further twentieth of the runs did not exceed, the longest.'),
    }),
  ),
});

export type ServedBody = z.infer<typeof servedBody>;
export type FunctionProfileBody = z.infer<typeof functionProfileBody>;

export function profileRoutes(services: ApiServices): Route[] {
  const { registry, profiles, functionProfiles, prices } = services;
  return [
    route('GET /groups/:group/versions/:version/profile', {
      summary: 'Show what was measured about a model version',
      params: versionPath,
      answer: z.strictObject({
        items: z.array(profileBody).describe('On instance types.'),
        functions: z.array(functionProfileBody).describe('In functions of each memory size; none while nothing is measured.'),
        served: z
          .array(servedBody)
          .describe(
            'As it was while serving: the last 500 batches of each size; those of a size that was served too seldom are as measured.',
          ),
      }),
      handle: async ({ params }) => {
        return knownProfileOf(services, await registry.version(params.group, params.version));
      },
    }),
    route('POST /groups/:group/versions/:version/profile', {
      summary: 'Measure a model version on an instance type, now',
      description: 'Takes a few seconds of one core.',
      params: versionPath,
      body: z.strictObject({ instance_type: z.string().default('local.1') }),
      answer: profileBody,
      handle: async ({ params, body }) =>
        profileBodyOf(await profiles.measure(await registry.version(params.group, params.version), `instance:${body.instance_type}`)),
    }),
    route('POST /groups/:group/versions/:version/profile/functions', {
      summary: 'Measure a model version in functions of each memory size, now',
      description:
        'Only what is missing, and only where workers can be held to their share of the processors; takes up to half a minute of one core.',
      params: versionPath,
      answer: z.strictObject({ functions: z.array(functionProfileBody) }),
      handle: async ({ params }) => {
        const named = await registry.version(params.group, params.version);
        await functionProfiles.measure(named);
        return { functions: (await functionProfiles.of(named)).map((size) => functionProfileBodyOf(size, prices)) };
      },
    }),
  ];
}

/** What is known of a version. Of those of functions, which are for whole groups of sizes, `functions` tells for each. */
export async function knownProfileOf(
  { profiles, functionProfiles, tables, prices }: Pick<ApiServices, 'profiles' | 'functionProfiles' | 'tables' | 'prices'>,
  version: Pick<ModelVersion, 'group' | 'version'>,
): Promise<{ items: ProfileBody[]; functions: FunctionProfileBody[]; served: ServedBody[] }> {
  const known = await profiles.list(version.group, version.version);
  return {
    items: known.filter(({ executor }) => executor.startsWith('instance:')).map(profileBodyOf),
    functions: (await functionProfiles.of(version)).map((size) => functionProfileBodyOf(size, prices)),
    served: tables.served(version).map(servedBodyOf),
  };
}

function profileBodyOf(profile: Profile): ProfileBody {
  return {
    executor: profile.executor,
    measured_at: timeOf(profile.measuredAtMs),
    load_ms: profile.loadMs,
    batch_max: profile.batchMax,
    slowdown: profile.slowdown ?? null,
    service: profile.service.map(pointBodyOf),
    notes: [...profile.notes],
  };
}

function functionProfileBodyOf(size: FunctionProfile, prices: PriceTable): FunctionProfileBody {
  const { memoryMiB, profile, basis, peakMemoryMiB, fits, coldMs } = size;
  const cost = functionCost(prices.functions, size);
  return {
    memory_mib: memoryMiB,
    basis,
    fits,
    peak_memory_mib: peakMemoryMiB,
    cold_ms: coldMs,
    batch_max: profile.batchMax,
    service: profile.service.map(pointBodyOf),
    measured_at: timeOf(profile.measuredAtMs),
    cost_usd_per_million: cost?.aloneUsd ?? null,
    best_batch: cost?.bestBatch ?? null,
    best_cost_usd_per_million: cost?.bestUsd ?? null,
    notes: [...profile.notes],
  };
}

function servedBodyOf({ executor, batches, batchMax, service }: ServedTimes): ServedBody {
  const points = service.map(({ b, p50Ms, p95Ms, p99Ms, samples, isServed }) => ({
    b,
    basis: isServed ? ('served' as const) : ('measured' as const),
    p50_ms: p50Ms,
    p95_ms: p95Ms,
    p99_ms: p99Ms,
    samples: samples.length,
    quantiles_ms: quantilesOf(samples),
  }));
  return { executor, batches, batch_max: batchMax, service: points };
}

/** Of ascending samples, 21 of them. */
function quantilesOf(samples: readonly number[]): number[] {
  return Array.from({ length: 21 }, (_, i) => samples[Math.round((i / 20) * (samples.length - 1))] as number);
}

function pointBodyOf({ b, p50Ms, p95Ms, p99Ms, samples, rssMiB }: ServicePoint): ProfileBody['service'][number] {
  return { b, p50_ms: p50Ms, p95_ms: p95Ms, p99_ms: p99Ms, samples: samples.length, rss_mib: rssMiB };
}
