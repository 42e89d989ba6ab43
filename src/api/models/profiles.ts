/** Routes of profiles: service times of a version by batch size, on instances and in functions. */

import { z } from 'zod';
import type { PriceTable } from '../../costs/index.ts';
import { instanceTypeDefault } from '../../fields/index.ts';
import { type FunctionProfile, functionCost, type Profile, type ServedTimes, type ServicePoint } from '../../profiling/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { type ProfileBody, profileBody } from '../bodies.ts';
import { isoTime, versionPath } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

/** What these routes need of the server. */
type Services = Pick<ApiServices, 'functionProfiles' | 'prices' | 'profiles' | 'registry' | 'tables'>;

const functionProfileBody = z.strictObject({
  memory_mib: z.number(),
  basis: z
    .enum(['measured', 'derived', 'unlimited'])
    .describe(
      'measured: within the limits of this size; derived: from an instance profile; unlimited: as on an instance, because limits cannot be enforced on this machine.',
    ),
  fits: z.boolean().describe('Whether one row fits into the memory.'),
  peak_memory_mib: z.number().describe('Peak memory of the worker at its largest batch, or for one row if nothing fits.'),
  cold_ms: z.number().describe('From a warm worker without a model to its first response.'),
  batch_max: z.number().describe('Largest measured batch that fits, in rows.'),
  service: profileBody.shape.service,
  measured_at: profileBody.shape.measured_at,
  cost_usd_per_million: z.number().nullable().describe('Cost per million rows without batching; null if nothing fits.'),
  best_batch: z.number().nullable().describe('The cheapest batch size, in rows.'),
  best_cost_usd_per_million: z.number().nullable().describe('Cost per million rows in batches of that size.'),
  notes: z.array(z.string()),
});

const servedBody = z.strictObject({
  executor: profileBody.shape.executor,
  batches: z.number().describe('Batches served since the server started.'),
  batch_max: z.number(),
  service: z.array(
    z.strictObject({
      b: z.number(),
      basis: z
        .enum(['served', 'measured'])
        .describe('served: from production batches; measured: from the profile, because this size was served too rarely.'),
      p50_ms: z.number(),
      p95_ms: z.number(),
      p99_ms: z.number(),
      samples: z.number(),
      quantiles_ms: z.array(z.number()).describe('Minimum, the 5 % quantiles in between, and maximum of the run times.'),
    }),
  ),
});

export type ServedBody = z.infer<typeof servedBody>;
export type FunctionProfileBody = z.infer<typeof functionProfileBody>;

export function profileRoutes(services: Services): ApiRoute[] {
  const { registry, profiles, functionProfiles, prices } = services;
  return [
    apiRoute('GET /groups/:group/versions/:version/profile', {
      summary: 'Get the profiles of a model version',
      params: versionPath,
      answer: z.strictObject({
        items: z.array(profileBody).describe('Profiles on instance types.'),
        functions: z.array(functionProfileBody).describe('Profiles in functions by memory size; empty until measured.'),
        served: z
          .array(servedBody)
          .describe('Observed in production: the last 500 batches of each size. Sizes that were served too rarely use the profile.'),
      }),
      handle: async ({ params }) => {
        return versionProfileOf(services, await registry.version(params.group, params.version));
      },
    }),
    apiRoute('POST /groups/:group/versions/:version/profile', {
      summary: 'Measure the profile of a model version on an instance type',
      description: 'Takes a few seconds on one core.',
      params: versionPath,
      body: z.strictObject({ instance_type: z.string().default(instanceTypeDefault) }),
      answer: profileBody,
      handle: async ({ params, body }) =>
        profileBodyOf(await profiles.measure(await registry.version(params.group, params.version), `instance:${body.instance_type}`)),
    }),
    apiRoute('POST /groups/:group/versions/:version/profile/functions', {
      summary: 'Measure the profiles of a model version in functions of each memory size',
      description: 'Measures only missing profiles, and only if CPU limits can be enforced on workers. Takes up to 30 seconds on one core.',
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

/** All profiles of a version. Function profiles are stored per class of sizes; `functions` expands them to each size. */
export async function versionProfileOf(
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
    measured_at: isoTime(profile.measuredAtMs),
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
    measured_at: isoTime(profile.measuredAtMs),
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

/** 21 quantiles of ascending samples. */
function quantilesOf(samples: readonly number[]): number[] {
  return Array.from({ length: 21 }, (_, i) => samples[Math.round((i / 20) * (samples.length - 1))] as number);
}

function pointBodyOf({ b, p50Ms, p95Ms, p99Ms, samples, rssMiB }: ServicePoint): ProfileBody['service'][number] {
  return { b, p50_ms: p50Ms, p95_ms: p95Ms, p99_ms: p99Ms, samples: samples.length, rss_mib: rssMiB };
}
