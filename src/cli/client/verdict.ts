/** Waits for the first decision about functions, so that `deploy` reports problems before late or failed requests do. */
import type { DecisionBody, EndpointBody, PageBody, VariantBody } from '../../api/index.ts';
import { CliError } from '../cli-error.ts';
import type { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { type Client, pathSegment } from './client.ts';
import { pause } from './pause.ts';

/** A model without a profile is measured first, which takes several seconds. */
const verdictTimeoutMs = 20_000;
const pollMs = (waitedMs: number): number => (waitedMs < 2000 ? 40 : 250);

/** The endpoint once the decision was made or the wait ended. */
export interface ServerlessVerdict {
  readonly view: EndpointBody;
  /** A message that the decision is still pending; null if it was made. */
  readonly pending: string | null;
}

/**
 * Waits up to 20 s for the decision whether a serverless endpoint can meet its objective. Throws `CliError` if its functions are
 * too small for its model, so it cannot serve requests.
 */
export async function awaitVerdict(
  session: VerbSession,
  client: Client,
  progress: Progress,
  first: EndpointBody,
): Promise<ServerlessVerdict> {
  const requiresDecision = ({ functions, instance_count: count }: VariantBody): boolean =>
    functions !== null && count === 0 && (first.objective !== null || functions.memory_mib !== 'auto');
  if (first.status !== 'InService' || !first.variants.some(requiresDecision)) return { view: first, pending: null };
  const { clock, interrupted } = session.context;
  const startedMs = clock.nowMs();
  progress.stage('measure', 'measuring service times and checking the objective');
  for (let view = first; ; view = await client.get<EndpointBody>(`/endpoints/${pathSegment(first.name)}`)) {
    if (await isDecided(client, view, view.variants.filter(requiresDecision))) {
      const hopeless = view.variants.find(({ decision }) => decision !== null && !decision.feasible && decision.predicted === null);
      if (hopeless !== undefined) throw new CliError(tooSmallText(view, hopeless));
      progress.done();
      return { view, pending: null };
    }
    const waitedMs = clock.nowMs() - startedMs;
    if (waitedMs > verdictTimeoutMs || interrupted.aborted) {
      progress.done('still measuring: no decision yet');
      return {
        view,
        pending: `service times are still being measured: see the chosen setting later with \`penstock describe ${view.name}\``,
      };
    }
    await pause(clock, pollMs(waitedMs), interrupted);
  }
}

/** Whether each variant's current decision was made for its current settings. */
async function isDecided(client: Client, view: EndpointBody, requested: readonly VariantBody[]): Promise<boolean> {
  if (requested.some(({ decision }) => decision === null)) return false;
  const { items } = await client.get<PageBody<DecisionBody>>(`/endpoints/${pathSegment(view.name)}/decisions`, {
    query: { kind: 'batching', limit: 20 },
  });
  return requested.every(({ decision, functions, model }) => {
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
  const cure = functions?.memory_mib === 'auto' ? 'Use instances instead' : 'Deploy it again with a larger --memory, or with --memory auto';
  return `${name} was deployed but cannot serve requests: ${decision?.reason}. ${cure}`;
}
