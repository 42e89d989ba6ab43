/** Routes of what was measured about a version: how long batches of each size take. */
import { z } from 'zod';
import type { Profile } from '../profiling/index.ts';
import { type ProfileBody, profileBody } from './bodies.ts';
import { timeOf, versionPath } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

export function profileRoutes({ registry, profiles }: ApiServices): Route[] {
  return [
    route('GET /groups/:group/versions/:version/profile', {
      summary: 'Show what was measured about a model version',
      params: versionPath,
      answer: z.strictObject({ items: z.array(profileBody) }),
      handle: async ({ params }) => {
        const { group, version } = await registry.version(params.group, params.version);
        return { items: (await profiles.list(group, version)).map(profileBodyOf) };
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
  ];
}

function profileBodyOf(profile: Profile): ProfileBody {
  return {
    executor: profile.executor,
    measured_at: timeOf(profile.measuredAtMs),
    load_ms: profile.loadMs,
    batch_max: profile.batchMax,
    service: profile.service.map(({ b, p50Ms, p95Ms, p99Ms, samples, rssMiB }) => ({
      b,
      p50_ms: p50Ms,
      p95_ms: p95Ms,
      p99_ms: p99Ms,
      samples: samples.length,
      rss_mib: rssMiB,
    })),
    notes: [...profile.notes],
  };
}
