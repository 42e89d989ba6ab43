/** Decisions about the number of hosts of a set, as the API returns them. */
import { z } from 'zod';
import type { ChosenHostSet, HostSetAlternative, HostSetInputs } from '../../hosts/index.ts';
import type { Decision, UnknownEffect } from '../../records/index.ts';

/** What a decision about a set of hosts has beside the members of every decision. */
export const hostSetDecisionShape = {
  kind: z.literal('host-set'),
  endpoint: z.null(),
  variant: z.null(),
  trigger: z.string().describe('period.'),
  reason: z.string(),
  inputs: z.strictObject({
    set: z.string(),
    hosts: z.number().describe('The number before.'),
    min: z.number(),
    max: z.number(),
    wanted: z
      .strictObject({ hosts: z.number(), reason: z.string() })
      .nullable()
      .describe('How many hosts the workers needed, in the set and outside of it; null if it was not known.'),
    others: z.number().describe('Hosts outside of the set that took workers.'),
    surplus_s: z.number().describe('For how long fewer hosts had been needed.'),
  }),
  alternatives: z.array(z.strictObject({ hosts: z.number(), text: z.string() })),
  chosen: z.strictObject({
    action: z.enum(['scale', 'drain', 'restore']),
    hosts: z.number().describe('The number after.'),
    host: z.string().nullable().describe('Of a drain and a restore.'),
  }),
  effect: z.null(),
  effect_unknown: z.string().nullable().describe('Why there will be no effect.'),
};

type Shape = typeof hostSetDecisionShape;
type HostSetParts = { readonly [Member in Exclude<keyof Shape, 'trigger'>]: z.infer<Shape[Member]> };

/** The stored contents were written by the scaling of hosts and are not validated again. */
export function hostSetDecisionPartsOf({ reason, inputs, alternatives, chosen, effect }: Decision): HostSetParts {
  const { set, hosts, min, max, wanted, others, surplusMs } = inputs as HostSetInputs;
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    kind: 'host-set',
    endpoint: null,
    variant: null,
    reason,
    inputs: { set, hosts, min, max, wanted, others, surplus_s: surplusMs / 1000 },
    alternatives: (alternatives as readonly HostSetAlternative[]).map(({ hosts: other, text }) => ({ hosts: other, text })),
    chosen: chosen as ChosenHostSet,
    effect: null,
    effect_unknown: unknown,
  };
}
