/** The stages of a deployment and their progress. Pure. */
import type { EndpointBody } from '../../../../src/api/index.ts';

export interface Stage {
  readonly title: string;
  readonly state: 'done' | 'now' | 'failed' | 'ahead';
}

/** Derived from the endpoint's status, its workers and its request count. */
export function stagesOf(endpoint: EndpointBody | undefined, instances: number): Stage[] {
  const workers = endpoint?.variants.flatMap((variant) => variant.workers) ?? [];
  const ready = endpoint?.variants.reduce((sum, variant) => sum + variant.ready, 0) ?? 0;
  const started = workers.filter(({ pid }) => pid !== null).length;
  const isServed = endpoint?.status === 'InService';
  const requests = endpoint?.variants.reduce((sum, { statistics }) => sum + (statistics?.requests ?? 0), 0) ?? 0;
  const steps: { readonly title: string; readonly isDone: boolean }[] = [
    { title: 'Store the desired state', isDone: endpoint !== undefined },
    ...(instances === 0
      ? []
      : [
          { title: instances === 1 ? 'Start 1 worker' : `Start ${instances} workers`, isDone: isServed || started >= instances },
          {
            title: `Load the model, pass a probe: ${Math.min(ready, instances)} of ${instances} ready`,
            isDone: isServed || ready >= instances,
          },
        ]),
    { title: 'Open for traffic', isDone: isServed },
    {
      title: requests === 0 ? 'Compare measurements with the plan: waiting for the first request' : 'Compare measurements with the plan',
      isDone: requests > 0,
    },
  ];
  const current = steps.findIndex(({ isDone }) => !isDone);
  const isFailed = endpoint?.status === 'Failed';
  return steps.map(({ title }, index) => {
    if (current < 0 || index < current) return { title, state: 'done' };
    if (index > current) return { title, state: 'ahead' };
    return { title, state: isFailed ? 'failed' : 'now' };
  });
}
