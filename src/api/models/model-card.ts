/** The card of a model version: where it comes from, what was measured of it, and where it serves. */
import { z } from 'zod';
import { nameKey } from '../../names.ts';
import { profileBody, versionBody } from '../bodies.ts';
import { isoTime, versionPath } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { evaluationSetBody, evaluationSetBodyOf, qualityBody, qualityBodyOf } from './evaluation-bodies.ts';
import { versionBodyOf } from './groups.ts';
import { versionProfileOf } from './profiles.ts';

/** What these routes need of the server. */
type Services = Pick<
  ApiServices,
  'deployments' | 'evaluations' | 'functionProfiles' | 'prices' | 'profiles' | 'registry' | 'tables' | 'truth'
>;

export const cardBody = z.strictObject({
  version: versionBody,
  claimed: z
    .record(z.string(), z.number())
    .describe('Metrics that were typed in, not measured by this server. Nothing is decided by them.'),
  evaluations: z
    .array(
      z.strictObject({
        set: evaluationSetBody,
        evaluation: z.string().describe('The evaluation that measured it.'),
        quality: qualityBody,
        notes: z.array(z.string()),
        evaluated_by: z.string(),
        evaluated_at: z.iso.datetime(),
      }),
    )
    .describe('What the same artifact answered to labelled sets, newest first.'),
  profiles: z.array(profileBody).describe('Service times on instance types.'),
  endpoints: z.array(
    z.strictObject({
      endpoint: z.string(),
      variant: z.string(),
      weight: z.number(),
      plans: z
        .array(z.string())
        .nullable()
        .describe('Of a selection: the plans in which it answers; none of a challenger. Null if the variant serves this version alone.'),
      labelled_rows: z.number().describe('Rows of the endpoint with posted labels, of the last 7 days.'),
      accuracy: z.number().nullable().describe('Of these rows, over all variants of the endpoint; null without labels or for values.'),
      mean_absolute_error: z.number().nullable(),
    }),
  ),
});

export type CardBody = z.infer<typeof cardBody>;

export function cardRoutes(services: Services): ApiRoute[] {
  const { registry, evaluations } = services;
  return [
    apiRoute('GET /groups/:group/versions/:version/card', {
      summary: 'Get the model card of a version: provenance, evaluations, service times, and where it serves',
      params: versionPath,
      answer: cardBody,
      handle: async ({ params }) => {
        const version = await registry.version(params.group, params.version);
        const outcomes = await evaluations.outcomesOf(version);
        return {
          version: versionBodyOf(version),
          claimed: { ...version.metrics },
          evaluations: outcomes.map(({ set, evaluation, quality, notes, evaluatedBy, evaluatedAtMs }) => ({
            set: evaluationSetBodyOf(set),
            evaluation,
            quality: qualityBodyOf(quality),
            notes: [...notes],
            evaluated_by: evaluatedBy,
            evaluated_at: isoTime(evaluatedAtMs),
          })),
          profiles: (await versionProfileOf(services, version)).items,
          endpoints: await endpointsOf(services, version),
        };
      },
    }),
  ];
}

async function endpointsOf(
  { deployments, truth }: Pick<ApiServices, 'deployments' | 'truth'>,
  { group, version }: { readonly group: string; readonly version: number },
): Promise<CardBody['endpoints']> {
  const found: CardBody['endpoints'] = [];
  for (const { config } of deployments.list()) {
    for (const variant of config.variants) {
      const { ladder } = variant;
      const isOwn = nameKey(variant.group) === nameKey(group) && variant.version === version;
      // The version of a selection is that whose signature clients see: it need not answer.
      const serves = ladder?.selection === undefined ? isOwn : ladder.models.includes(`${group}/${version}`);
      if (!serves) continue;
      const plans = ladder?.selection && ladder.rungs.filter(({ first, second }) => [first, second].includes(`${group}/${version}`));
      const { labelledRows, accuracy, meanAbsoluteError } = await truth.quality(config.name);
      found.push({
        endpoint: config.name,
        variant: variant.name,
        weight: variant.weight,
        plans: plans?.map(({ name }) => name) ?? null,
        labelled_rows: labelledRows,
        accuracy,
        mean_absolute_error: meanAbsoluteError,
      });
    }
  }
  return found;
}
