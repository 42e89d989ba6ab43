/** Waiting for the first decision about functions: it says at once what nobody should learn from a late or failed request. */
import type { DecisionBody, EndpointBody, Page, VariantBody } from '../api/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';
import { pause } from './pause.ts';
import type { Progress } from './progress.ts';
import type { Session } from './verb.ts';

/** A model that nobody measured is measured first, which takes some seconds. */
const verdictTimeoutMs = 20_000;
const pollMs = (waitedMs: number): number => (waitedMs < 2000 ? 40 : 250);

export interface Verdict {
  readonly view: EndpointBody;
  /** What was not known in time; null where nothing is open. */
  readonly isOpen: string | null;
}

/**
 * Waits, not for long, until it is decided whether a serverless endpoint keeps what it promises. Throws `Failure` where
 * its functions are too small for its model, so that it can serve nobody.
 */
export async function verdictOn(session: Session, client: Client, progress: Progress, first: EndpointBody): Promise<Verdict> {
  const isAsked = ({ functions, instance_count: count }: VariantBody): boolean =>
    functions !== null && count === 0 && (first.objective !== null || functions.memory_mib !== 'auto');
  if (first.status !== 'InService' || !first.variants.some(isAsked)) return { view: first, isOpen: null };
  const { clock, interrupted } = session.doors;
  const startedMs = clock.nowMs();
  progress.stage('measure', 'its service times, and whether it keeps its promise');
  for (let view = first; ; view = await client.get<EndpointBody>(`/endpoints/${part(first.name)}`)) {
    if (await isDecided(client, view, view.variants.filter(isAsked))) {
      const hopeless = view.variants.find(({ decision }) => decision !== null && !decision.feasible && decision.predicted === null);
      if (hopeless !== undefined) throw new Failure(tooSmallText(view, hopeless));
      progress.done();
      return { view, isOpen: null };
    }
    const waitedMs = clock.nowMs() - startedMs;
    if (waitedMs > verdictTimeoutMs || interrupted.aborted) {
      progress.done('goes on: nothing is decided yet');
      return { view, isOpen: `its service times are still being measured: \`penstock describe ${view.name}\` will tell what was chosen` };
    }
    await pause(clock, pollMs(waitedMs), interrupted);
  }
}

/** Whether the decision in force of each is one for what it was asked to be now. */
async function isDecided(client: Client, view: EndpointBody, asked: readonly VariantBody[]): Promise<boolean> {
  if (asked.some(({ decision }) => decision === null)) return false;
  const { items } = await client.get<Page<DecisionBody>>(`/endpoints/${part(view.name)}/decisions`, {
    query: { kind: 'batching', limit: 20 },
  });
  return asked.every(({ decision, functions, model }) => {
    const inputs = items.find(({ id }) => id === decision?.id)?.inputs;
    if (inputs === undefined || functions === null) return false;
    const { policy, memory_mib: memoryMiB, objective } = inputs;
    const isSamePolicy =
      policy.kind === functions.batching &&
      policy.batch_size_max === functions.batch_size_max &&
      policy.wait_ms_max === functions.wait_ms_max;
    return isSamePolicy && inputs.model === model && memoryMiB === functions.memory_mib && objective === view.objective;
  });
}

function tooSmallText({ name }: EndpointBody, { functions, decision }: VariantBody): string {
  const cure = functions?.memory_mib === 'auto' ? 'give it instances instead' : 'deploy it again with a larger --memory, or --memory auto';
  return `${name} is there, but can serve nobody: ${decision?.reason}: ${cure}`;
}
