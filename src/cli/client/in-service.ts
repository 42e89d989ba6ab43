/** Waits until an endpoint is in service, or has failed to get there. */
import type { EndpointBody, UpdateBody } from '../../api/index.ts';
import { CliError } from '../cli-error.ts';
import { isInProgress } from '../options/rollout-options.ts';
import { readyText, typeText } from '../output/format-variant.ts';
import type { Progress } from '../output/progress.ts';
import type { VerbSession } from '../verb.ts';
import { type Client, pathSegment } from './client.ts';
import { pause } from './pause.ts';

/** Polls often at first: a small model is in service within a fraction of a second. */
const pollMs = (waitedMs: number): number => (waitedMs < 2000 ? 40 : 250);

/** Waits until the generation of `first` is served, and reports progress. Throws `CliError` if it will not be. */
export async function inService(
  session: VerbSession,
  client: Client,
  progress: Progress,
  first: EndpointBody,
  timeoutMs: number,
): Promise<EndpointBody> {
  let watched: EndpointBody['rollout'] = null;
  const served = await settled(session, client, { progress, first, timeoutMs }, (view) => {
    if (isInProgress(view.rollout)) watched = view.rollout;
    const isCurrent = (view.served_generation ?? 0) >= first.generation;
    // A rollback is the next generation. Any other newer generation is another client's update.
    const isRolledBack = view.generation === first.generation + 1 && view.rollout?.state === 'rolled-back';
    if (view.generation > first.generation && !isRolledBack) {
      const models = view.variants.map(({ model }) => model).join(', ');
      throw new CliError(`${view.name}: superseded by generation ${view.generation} (${models}): see \`penstock describe ${view.name}\``);
    }
    if (view.status === 'Failed' || (view.status === 'InService' && !isCurrent && view.reason !== null)) {
      const [, lines = ''] = view.reason?.split(/\n(.*)/s) ?? [];
      if (!workersText(view).includes(lines)) progress.write(`${workersText(view)}; ${view.reason}`);
      throw new CliError(`${view.name} failed to enter service: ${headOf(view.reason ?? 'the reason is unknown')}; see \`penstock logs\``);
    }
    if (view.status === 'InService' && isRolledBack) {
      throw new CliError(`${view.name} still serves its previous version: ${view.reason}`);
    }
    if (view.status === 'Unloaded') throw new CliError(`${view.name} is unloaded: \`penstock load ${view.name}\` serves it again`);
    if (view.status === 'Deleting') throw new CliError(`${view.name} is being deleted: deploy it again when the deletion is complete`);
    if (view.rollout?.state === 'paused') throw new CliError(`${view.name}: ${view.reason}`);
    return view.status === 'InService' && isCurrent;
  });
  if (watched !== null) await remarkOnWatch(session, client, served, watched);
  return served;
}

/** An update without traffic proves nothing: it was kept only because there was no evidence against it. */
async function remarkOnWatch(
  session: VerbSession,
  client: Client,
  { name, generation }: EndpointBody,
  watched: NonNullable<EndpointBody['rollout']>,
): Promise<void> {
  const own = watched.versions.filter(({ is_new: isNew }) => isNew);
  if (own.length > 0 && own.every(({ requests }) => requests === 0)) {
    const models = own.map(({ model }) => model).join(' and ');
    session.remark(`${models} received no requests while it was watched: the update was kept, but nothing is known about how it performs`);
    return;
  }
  const { items } = await client.get<{ readonly items: readonly UpdateBody[] }>(`/endpoints/${pathSegment(name)}/updates?limit=100`);
  const steps = items.filter((item) => item.generation === generation && ['step completed', 'completed'].includes(item.what));
  for (const { share_percent: share, reason } of steps.toReversed())
    if (reason !== null) session.remark(`with ${share ?? 100} % of the requests: ${reason}`);
}

/** Drops the last lines of a process, which the failed stage has already printed. */
function headOf(reason: string): string {
  const [head = '', ...lines] = reason.split('\n');
  return lines.length === 0 ? head : head.replace(/[;,]? its last lines:\s*$/, '').replace(/:\s*$/, '');
}

/** Waits until the endpoint's requests in flight are answered and its workers have ended. */
export function unloaded(
  session: VerbSession,
  client: Client,
  progress: Progress,
  first: EndpointBody,
  timeoutMs: number,
): Promise<EndpointBody> {
  return settled(session, client, { progress, first, timeoutMs }, (view) => {
    if (view.status === 'Deleting') throw new CliError(`${view.name} is being deleted`);
    return view.status === 'Unloaded';
  });
}

interface Wait {
  readonly progress: Progress;
  readonly first: EndpointBody;
  readonly timeoutMs: number;
}

async function settled(
  session: VerbSession,
  client: Client,
  { progress, first, timeoutMs }: Wait,
  isSettled: (view: EndpointBody) => boolean,
): Promise<EndpointBody> {
  const { clock, interrupted } = session.context;
  const startedMs = clock.nowMs();
  progress.stage('workers', workersText(first));
  for (let view = first; ; view = await client.get<EndpointBody>(`/endpoints/${pathSegment(first.name)}`)) {
    progress.write(workersText(view));
    if (isSettled(view)) {
      progress.done(workersText(view));
      return view;
    }
    const waitedMs = clock.nowMs() - startedMs;
    if (waitedMs > timeoutMs) {
      throw new CliError(
        `timed out: ${view.name} is still ${view.status} after ${Math.round(waitedMs / 1000)} s. The server continues; check with \`penstock describe ${view.name}\``,
      );
    }
    await pause(clock, pollMs(waitedMs), interrupted);
    if (interrupted.aborted)
      throw new CliError(`interrupted: the server continues with ${view.name}; check with \`penstock describe ${view.name}\``);
  }
}

function functionsText(variant: EndpointBody['variants'][number]): string {
  const now = readyText(variant);
  return now === 'none' ? 'none runs until a request arrives' : now;
}

function workersText(view: EndpointBody): string {
  const share =
    isInProgress(view.rollout) && view.rollout.watched_since !== null ? `${view.rollout.share_percent} % of the requests; ` : '';
  const workers = view.variants
    .map((variant) => {
      const { ready, instance_count: wanted, instance_type: type, functions } = variant;
      const troubled = variant.workers.find((worker) => worker.state === 'failed');
      const trouble = troubled === undefined ? '' : `; ${troubled.reason ?? 'a worker failed'}`;
      if (functions !== null && wanted === 0) return `serverless, ${typeText(variant)}: ${functionsText(variant)}${trouble}`;
      return `${Math.min(ready, wanted)} of ${wanted} x ${type} ready${trouble}`;
    })
    .join(', ');
  return `${share}${workers}`;
}
