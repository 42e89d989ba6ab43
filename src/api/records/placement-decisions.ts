/** Decisions about the hosts of workers, as the API returns them. */
import { z } from 'zod';
import type { ChosenHost, PlacementAlternative, PlacementInputs } from '../../hosts/index.ts';
import type { Decision, UnknownEffect } from '../../records/index.ts';
import { jobOfTask } from '../../training/index.ts';

/** The job of a task, and which of its attempts the task is. */
export const hostedJobBody = z.strictObject({
  kind: z.enum(['training', 'processing']),
  job: z.string().describe('In lower case.'),
  attempt: z.number(),
});

/** What a decision about a host has beside the members of every decision. */
export const placementDecisionShape = {
  kind: z.literal('placement'),
  trigger: z.string().describe('start, host-draining, host-on-notice, host-lost, stopgap or spread.'),
  reason: z.string(),
  endpoint: z.string().nullable().describe('Null for a task of a job.'),
  variant: z.string().nullable(),
  inputs: z.strictObject({
    worker: z.string(),
    job: hostedJobBody.nullable().describe('The job of a task; null for a worker of an endpoint.'),
    vcpu: z.number(),
    memory_mib: z.number(),
    accelerator: z.string().nullable().describe('The instance type, if its workers need a device.'),
    from: z.string().nullable().describe('The host that the worker leaves; null when it starts.'),
    hosts: z.record(z.string(), z.number()).describe('Number of hosts by state.'),
  }),
  alternatives: z.array(z.strictObject({ host: z.string(), text: z.string() })),
  chosen: z.strictObject({ host: z.string(), zone: z.string().nullable() }),
  effect: z.null(),
  effect_unknown: z.string().nullable().describe('Why there will be no effect.'),
};

type Shape = typeof placementDecisionShape;
type PlacementParts = { readonly [Member in Exclude<keyof Shape, 'trigger'>]: z.infer<Shape[Member]> };

/** The stored contents were written by the placement and are not validated again. */
export function placementDecisionPartsOf({ endpoint, variant, reason, inputs, alternatives, chosen, effect }: Decision): PlacementParts {
  const { worker, task = null, cpuMilli, memoryMiB, accelerator, from, hosts } = inputs as PlacementInputs;
  const { unknown = null } = (effect ?? {}) as Partial<UnknownEffect>;
  return {
    kind: 'placement',
    endpoint,
    variant: endpoint === null ? null : variant,
    reason,
    inputs: {
      worker,
      job: task === null ? null : jobOfTask(task),
      vcpu: cpuMilli / 1000,
      memory_mib: memoryMiB,
      accelerator,
      from,
      hosts: { ...hosts },
    },
    alternatives: (alternatives as readonly PlacementAlternative[]).map(({ host, text }) => ({ host, text })),
    chosen: chosen as ChosenHost,
    effect: null,
    effect_unknown: unknown,
  };
}
