/** Selections of endpoints: a request for plans instead of one version, and what serves. */
import { z } from 'zod';
import {
  type EndpointConfig,
  type LadderConfig,
  type LadderRung,
  type SelectionConfig,
  shadowShareDefault,
} from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import {
  type Challengers,
  candidatesMax,
  floorEvidence,
  type LadderRequest,
  type MeasuredAccuracy,
  type PlannedLadder,
  requireSelection,
  type SelectionQuality,
  selectionRateDefault,
} from '../../evaluation/index.ts';
import type { LadderView, ServedView } from '../../serving/index.ts';
import { type EndpointBody, endpointBody } from '../bodies.ts';
import { endpointPath, isoTime, switchParameter } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';

export const selectionInput = z.strictObject({
  candidates: z
    .array(z.string().max(200))
    .min(1)
    .max(candidatesMax)
    .describe('Groups, of which the latest approved version is a candidate, or versions. All must have answered the evaluation set.'),
  reference: z
    .string()
    .max(200)
    .nullable()
    .default(null)
    .describe('The candidate whose inputs and outputs clients see. Default: the first.'),
  evaluation: z.string().max(200).describe('The evaluation set by which plans are proven.'),
  metric: z.literal('accuracy').default('accuracy'),
  minimize: z.literal('cost').nullable().default(null).describe('The cheapest plan that keeps the floor; the default with a floor.'),
  floor: z.number().nullable().default(null).describe('The accuracy to keep, above 0 and below 1.'),
  maximize: z.literal('accuracy').nullable().default(null).describe('The most accurate plan within `budget_usd_per_hour`.'),
  budget_usd_per_hour: z.number().nullable().default(null),
  confidence: z
    .number()
    .nullable()
    .default(95)
    .describe('Percent: how sure it is that no certified plan is below the floor. null: measured accuracies are taken for true.'),
  degrade_to: z
    .number()
    .nullable()
    .default(null)
    .describe('Plans down to this accuracy may answer bursts, as far as others were above the floor. null: none below the floor.'),
  rate: z
    .number()
    .nullable()
    .default(null)
    .describe('Expected rows per second, by which plans are priced until the load is measured. Default: 100.'),
  shadow_percent: z
    .number()
    .default(100 * shadowShareDefault)
    .describe(
      'Share of the requests whose answer is compared with that of another plan while an instance is idle, 0 to 20. 0: none is compared.',
    ),
  force: z.boolean().default(false).describe('Serve the most accurate model alone if no plan is proven.'),
});
export type SelectionInput = z.output<typeof selectionInput>;

/** Plans a selection. Throws like `LadderPlanner.plan`. */
export function selectedPlans(
  { ladders }: Pick<ApiServices, 'ladders'>,
  input: SelectionInput,
  { endpoint, objective, instanceType }: Pick<LadderRequest, 'endpoint' | 'objective' | 'instanceType'>,
): Promise<PlannedLadder> {
  return ladders.plan({
    endpoint,
    candidates: input.candidates,
    reference: input.reference,
    set: input.evaluation,
    goal: goalOf(input),
    floor: input.floor,
    confidence: input.confidence === null ? null : input.confidence / 100,
    degradeTo: input.degrade_to,
    ratePerSecond: input.rate ?? selectionRateDefault,
    shadowShare: input.shadow_percent / 100,
    objective,
    instanceType,
    force: input.force,
  });
}

/** Throws `invalid_request` unless exactly one goal was given. */
export function goalOf({
  minimize,
  maximize,
  budget_usd_per_hour: budget,
}: Pick<SelectionInput, 'minimize' | 'maximize' | 'budget_usd_per_hour'>) {
  if (minimize !== null && maximize !== null) throw new PlatformError('invalid_request', 'expected either minimize or maximize, got both');
  if (maximize === null) {
    if (budget === null) return { kind: 'cheapest' } as const;
    throw new PlatformError('invalid_request', 'a budget needs maximize: accuracy');
  }
  if (budget === null) throw new PlatformError('invalid_request', 'maximize: accuracy needs budget_usd_per_hour');
  return { kind: 'most-accurate', usdPerHourMax: budget } as const;
}

/** The variants of a selection: exactly one, without a model. Throws `invalid_request`. */
export function selectionVariant<Variant extends { readonly model?: string | undefined }>(variants: readonly Variant[]): Variant {
  const [variant, ...others] = variants;
  if (variant === undefined || others.length > 0)
    throw new PlatformError('invalid_request', `a selection serves one variant: expected 1, got ${variants.length}`);
  if (variant.model !== undefined)
    throw new PlatformError('invalid_request', `a selection chooses the models: leave out the variant's model, got ${variant.model}`);
  return variant;
}

export function selectionRoute(
  { deployments, selectionReview }: Pick<ApiServices, 'deployments' | 'selectionReview'>,
  bodyOf: (endpoint: string) => Promise<EndpointBody>,
): ApiRoute {
  return apiRoute('POST /endpoints/:endpoint/selection/decide', {
    summary: 'Choose the plans of a selection again',
    description: 'By the newest approved versions, evaluations and profiles. Workers are replaced only if the models or plans differ.',
    params: endpointPath,
    query: z.strictObject({ release: switchParameter.describe('End a hold: without it, a held selection is not chosen again.') }),
    answer: endpointBody,
    status: 202,
    handle: async ({ params, query, caller }) => {
      const { config } = deployments.get(params.endpoint);
      const { held } = requireSelection(config).ladder.selection;
      if (held !== undefined && !query.release) {
        throw new PlatformError(
          'wrong_state',
          `${config.name} is held: ${held.reason}. Deploy it with an evaluation of new rows, or release it (penstock select ${config.name} --release)`,
        );
      }
      await selectionReview.review(config.name, held === undefined ? 'asked' : 'release', caller.keyId);
      return bodyOf(config.name);
    },
  });
}

/** The selection of an endpoint; null if it serves versions. */
export function selectionBodyOf(
  { name: endpoint, variants }: EndpointConfig,
  served: ServedView | undefined,
  { challengers, selectionWatch }: Pick<ApiServices, 'challengers' | 'selectionWatch'>,
): EndpointBody['selection'] {
  const variant = variants.find(({ ladder }) => ladder?.selection !== undefined);
  const { ladder } = variant ?? {};
  if (variant === undefined || ladder?.selection === undefined) return null;
  const quality = selectionWatch.qualityOf(endpoint);
  const { ladder: view = null, unloaded = [] } = served?.variants.find(({ name }) => name === variant.name) ?? {};
  return {
    ...recordBodyOf(ladder, ladder.selection),
    contract: `${variant.group}/${variant.version}`,
    unloaded: unloaded.map(({ workers, ...each }) => ({ ...each, worker_count: workers })),
    challenger: challengerBodyOf(ladder, view, challengers.evidenceOf(endpoint, ladder.challenger?.model ?? '')),
    labelled: labelledBodyOf(quality, ladder.floor),
    ...countsOf(ladder, view, quality),
  };
}

function challengerBodyOf({ challenger }: LadderConfig, view: LadderView | null, evidence: ReturnType<Challengers['evidenceOf']>) {
  if (challenger === undefined) return null;
  const { model, incumbent, sinceMs } = challenger;
  const { rows = 0, disagreed = 0, failed = 0 } = view?.challenge ?? {};
  return {
    model,
    incumbent,
    since: isoTime(sinceMs),
    rows,
    disagreed,
    failed,
    labelled: evidence?.rows ?? 0,
    better: evidence?.better ?? 0,
    worse: evidence?.worse ?? 0,
    evidence_promote: evidence?.promote ?? 1,
    evidence_demote: evidence?.demote ?? 1,
  };
}

function recordBodyOf(ladder: LadderConfig, { request, decision, held }: SelectionConfig) {
  const { candidates, reference, set, goal, floor, confidence, degradeTo, ratePerSecond, shadowShare = shadowShareDefault } = request;
  return {
    state: held === undefined ? decision.state : ('held' as const),
    held: held === undefined ? null : { cause: held.cause, reason: held.reason, at: isoTime(held.atMs) },
    explanation: decision.explanation,
    candidates: [...candidates],
    reference,
    evaluation: set,
    evaluation_rows: decision.rows,
    evaluation_sha256: decision.sha256,
    floor,
    maximize: goal.kind === 'most-accurate' ? ('accuracy' as const) : null,
    budget_usd_per_hour: goal.kind === 'most-accurate' ? goal.usdPerHourMax : null,
    confidence: confidence === null ? null : 100 * confidence,
    degrade_to: degradeTo,
    rate: ratePerSecond,
    shadow_percent: 100 * shadowShare,
    chains: decision.chains,
    level: decision.level,
    certified_at: decision.errorTotal === null ? null : 100 * Math.max(0, 1 - decision.errorTotal),
    left_out: decision.leftOut.map((each) => ({ ...each })),
    decided_at: isoTime(decision.atMs),
    loaded: [...ladder.models],
    floor_plan: (ladder.rungs[ladder.floorRung] as LadderRung).name,
    top_plan: (ladder.rungs.at(-1) as LadderRung).name,
  };
}

function labelledBodyOf(quality: SelectionQuality | null, floor: number | null) {
  if (quality === null) return null;
  const hits = Math.round(quality.accuracy * quality.rows);
  return { ...measuredBodyOf(quality), evidence_floor: floor === null ? null : floorEvidence(floor, { rows: quality.rows, hits }) };
}

function measuredBodyOf({ rows, accuracy, low, high }: MeasuredAccuracy) {
  return { rows, accuracy, low, high };
}

function countsOf(ladder: LadderConfig, view: LadderView | null, quality: SelectionQuality | null) {
  const rows = view?.rungs.reduce((sum, counts) => sum + counts.rows, 0) ?? 0;
  return {
    credit_rows: view?.creditRows ?? null,
    shadows: shadowsOf(view),
    ladder: ladder.rungs.map(({ name, accuracy, lower, isCertified, escalated, agreement }, index) => {
      const counts = view?.rungs[index];
      const measured = quality?.plans.get(name);
      return {
        plan: name,
        accuracy,
        lower,
        certified: isCertified,
        escalated,
        batches: counts?.batches ?? 0,
        rows: counts?.rows ?? 0,
        share: rows === 0 || counts === undefined ? null : counts.rows / rows,
        escalated_now: counts === undefined || counts.rows === 0 ? null : counts.escalated / counts.rows,
        escalations_failed: counts?.escalationsFailed ?? 0,
        disagreement: agreement === undefined || agreement.rows === 0 ? null : agreement.disagreed / agreement.rows,
        compared: counts?.compared ?? 0,
        disagreement_now: counts === undefined || counts.compared === 0 ? null : counts.disagreed / counts.compared,
        labelled: measured === undefined ? null : measuredBodyOf(measured),
      };
    }),
    models: ladder.models.map((model) => {
      const counts = view?.models.get(model);
      return { model, rows: counts?.rows ?? 0, usd: counts?.usd ?? 0 };
    }),
  };
}

function shadowsOf(view: LadderView | null) {
  const { calls = 0, rows = 0, dropped = 0, ms = 0 } = view?.shadows ?? {};
  return { calls, rows, dropped, seconds: ms / 1000 };
}

/** Why plans of a selection are left out; null if all can run. */
export function unloadedReasonOf(served: Pick<ServedView, 'variants'> | undefined): string | null {
  const found = served?.variants.flatMap(({ unloaded, ladder }) => (ladder === null ? [] : unloaded)) ?? [];
  const [first] = found;
  return first === undefined ? null : `${first.model} could not be loaded, plans without it serve: ${first.reason}`;
}
