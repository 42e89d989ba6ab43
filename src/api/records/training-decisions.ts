/** Decisions to approve, keep or reject what a pipeline has trained, as the API returns them. */
import { z } from 'zod';
import type { Decision, UnknownEffect } from '../../records/index.ts';

const verdict = z.enum(['better', 'worse', 'unsure']).nullable();
const action = z.enum(['approve', 'keep', 'reject']);

/** What a decision about a trained version has beside the members of every decision. */
export const trainingDecisionShape = {
  kind: z.literal('training'),
  trigger: z.string().describe('manual, schedule or event: why the pipeline ran.'),
  reason: z.string().describe('better, worse, unsure, manual or always.'),
  inputs: z.strictObject({
    run: z.string().describe('`digits-loop/12`'),
    version: z.string(),
    against: z.string().nullable().describe('The version that it was compared with.'),
    rows: z.number().nullable(),
    wins: z.number().nullable(),
    losses: z.number().nullable(),
    gain: z.number().nullable(),
    p_better: z.number().nullable(),
    p_worse: z.number().nullable(),
    holdout_uses: z.number().nullable().describe('Tests on these rows, this one included.'),
  }),
  alternatives: z.array(z.strictObject({ action, text: z.string() })),
  chosen: z.strictObject({ action, version: z.string(), verdict }),
  effect: z
    .strictObject({
      outcome: z.enum(['deployed', 'rolled back', 'replaced', 'failed']),
      reason: z.string(),
      versions: z.array(
        z.strictObject({ model: z.string(), answered: z.number(), late: z.number(), failed: z.number(), refused: z.number() }),
      ),
    })
    .nullable()
    .describe('How the watched rollout ended, with the requests of both versions meanwhile; null until then.'),
  effect_unknown: z.string().nullable().describe('Why there will be no effect; otherwise null.'),
};

type Shape = typeof trainingDecisionShape;
type TrainingParts = { readonly [Member in Exclude<keyof Shape, 'trigger'>]: z.infer<Shape[Member]> };

interface StoredInputs {
  readonly run: string;
  readonly version: string;
  readonly against: string | null;
  readonly test: {
    readonly rows: number;
    readonly wins: number | null;
    readonly losses: number | null;
    readonly gain: number;
    readonly pBetter: number;
    readonly pWorse: number;
  } | null;
  readonly holdout: { readonly uses: number } | null;
}

/** The stored contents were written by the pipeline and are not validated again. */
export function trainingDecisionPartsOf({ reason, inputs, alternatives, chosen, effect }: Decision): TrainingParts {
  const { run, version, against, test, holdout } = inputs as StoredInputs;
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    kind: 'training',
    reason,
    inputs: {
      run,
      version,
      against,
      rows: test?.rows ?? null,
      wins: test?.wins ?? null,
      losses: test?.losses ?? null,
      gain: test?.gain ?? null,
      p_better: test?.pBetter ?? null,
      p_worse: test?.pWorse ?? null,
      holdout_uses: holdout?.uses ?? null,
    },
    alternatives: [...alternatives] as TrainingParts['alternatives'],
    chosen: chosen as TrainingParts['chosen'],
    effect: effect === null || unknown !== null ? null : effectOf(effect as NonNullable<TrainingParts['effect']>),
    effect_unknown: unknown,
  };
}

function effectOf({ outcome, reason, versions }: NonNullable<TrainingParts['effect']>): TrainingParts['effect'] {
  return {
    outcome,
    reason,
    versions: versions.map(({ model, answered, late, failed, refused }) => ({ model, answered, late, failed, refused })),
  };
}
