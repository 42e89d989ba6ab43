/** How far an endpoint has come on its way into service. Pure. */
import type { EndpointBody } from '../../../../src/api/index.ts';

export interface Stage {
  readonly title: string;
  readonly state: 'done' | 'now' | 'failed' | 'ahead';
}

/** Told by what the platform says: its workers, and whether requests are routed. */
export function stagesOf(endpoint: EndpointBody | undefined, instances: number): Stage[] {
  const workers = endpoint?.variants.flatMap((variant) => variant.workers) ?? [];
  const ready = endpoint?.variants.reduce((sum, variant) => sum + variant.ready, 0) ?? 0;
  const started = workers.filter(({ pid }) => pid !== null).length;
  const isServed = endpoint?.status === 'InService';
  const requests = endpoint?.variants.reduce((sum, { statistics }) => sum + (statistics?.requests ?? 0), 0) ?? 0;
  const steps: { readonly title: string; readonly isDone: boolean }[] = [
    { title: 'Write down what is wanted', isDone: endpoint !== undefined },
    ...(instances === 0
      ? []
      : [
          { title: instances === 1 ? 'Start 1 worker' : `Start ${instances} workers`, isDone: isServed || started >= instances },
          {
            title: `Load the model, answer a probe: ${Math.min(ready, instances)} of ${instances} ready`,
            isDone: isServed || ready >= instances,
          },
        ]),
    { title: 'Open for traffic', isDone: isServed },
    {
      title: requests === 0 ? 'Compare measurement with plan: waits for the first request' : 'Compare measurement with plan',
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
