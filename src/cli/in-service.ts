/** Waiting until an endpoint is in service, or never will be. */
import type { EndpointBody } from '../api/index.ts';
import { type Client, part } from './client.ts';
import { Failure } from './failure.ts';
import { pause } from './pause.ts';
import type { Progress } from './progress.ts';
import { readyText, typeText } from './variant-words.ts';
import type { Session } from './verb.ts';

/** Looks often at first: a small model is in service within a fraction of a second. */
const pollMs = (waitedMs: number): number => (waitedMs < 2000 ? 40 : 250);

/** Waits until what was asked for in `first` is what serves, telling how far it is. Throws `Failure` where it will not be. */
export function inService(
  session: Session,
  client: Client,
  progress: Progress,
  first: EndpointBody,
  timeoutMs: number,
): Promise<EndpointBody> {
  let watched: EndpointBody['rollout'] = null;
  return settled(session, client, { progress, first, timeoutMs }, (view) => {
    if (view.rollout?.state === 'shifting') watched = view.rollout;
    const isCurrent = (view.served_generation ?? 0) >= first.generation;
    // What takes an update back is the next generation; any other was wanted by somebody else.
    const isTakenBack = view.generation === first.generation + 1 && view.rollout?.state === 'taken-back';
    if (view.generation > first.generation && !isTakenBack) {
      const models = view.variants.map(({ model }) => model).join(', ');
      throw new Failure(`${view.name}: superseded by generation ${view.generation} (${models}): see \`penstock describe ${view.name}\``);
    }
    if (view.status === 'Failed' || (view.status === 'InService' && !isCurrent && view.reason !== null)) {
      const [, lines = ''] = view.reason?.split(/\n(.*)/s) ?? [];
      if (!workersText(view).includes(lines)) progress.say(`${workersText(view)}; ${view.reason}`);
      throw new Failure(`${view.name} did not come into service: ${headOf(view.reason ?? 'no reason is known')}; see \`penstock logs\``);
    }
    if (view.status === 'InService' && isTakenBack) {
      throw new Failure(`${view.name} serves what it served before: ${view.reason}`);
    }
    if (view.status === 'Unloaded') throw new Failure(`${view.name} is unloaded: \`penstock load ${view.name}\` serves it again`);
    if (view.status === 'Deleting') throw new Failure(`${view.name} is being deleted: deploy it again when it is gone`);
    const isServed = view.status === 'InService' && isCurrent;
    if (isServed) remarkOnWatch(session, watched);
    return isServed;
  });
}

/** An update that nobody called has shown nothing: that it was kept says only that nothing spoke against it. */
function remarkOnWatch(session: Session, watched: EndpointBody['rollout']): void {
  const own = (watched?.versions ?? []).filter(({ is_new: isNew }) => isNew);
  if (own.length === 0 || own.some(({ requests }) => requests > 0)) return;
  const models = own.map(({ model }) => model).join(' and ');
  session.remark(`no request came to ${models} while it was watched: it is kept, but nothing shows how it does`);
}

/** The last lines of a process stand in the stage that failed, as they were: they are not told twice. */
function headOf(reason: string): string {
  const [head = '', ...lines] = reason.split('\n');
  return lines.length === 0 ? head : head.replace(/[;,]? its last lines:\s*$/, '').replace(/:\s*$/, '');
}

/** Waits until its requests under way are answered and its workers have ended. */
export function unloaded(
  session: Session,
  client: Client,
  progress: Progress,
  first: EndpointBody,
  timeoutMs: number,
): Promise<EndpointBody> {
  return settled(session, client, { progress, first, timeoutMs }, (view) => {
    if (view.status === 'Deleting') throw new Failure(`${view.name} is being deleted`);
    return view.status === 'Unloaded';
  });
}

interface Wait {
  readonly progress: Progress;
  readonly first: EndpointBody;
  readonly timeoutMs: number;
}

async function settled(
  session: Session,
  client: Client,
  { progress, first, timeoutMs }: Wait,
  isSettled: (view: EndpointBody) => boolean,
): Promise<EndpointBody> {
  const { clock, interrupted } = session.doors;
  const startedMs = clock.nowMs();
  progress.stage('workers', workersText(first));
  for (let view = first; ; view = await client.get<EndpointBody>(`/endpoints/${part(first.name)}`)) {
    progress.say(workersText(view));
    if (isSettled(view)) {
      progress.done(workersText(view));
      return view;
    }
    const waitedMs = clock.nowMs() - startedMs;
    if (waitedMs > timeoutMs) {
      throw new Failure(
        `${view.name} is ${view.status} after ${Math.round(waitedMs / 1000)} s: it goes on, look with \`penstock describe ${view.name}\``,
      );
    }
    await pause(clock, pollMs(waitedMs), interrupted);
    if (interrupted.aborted) throw new Failure(`interrupted: ${view.name} goes on, look with \`penstock describe ${view.name}\``);
  }
}

function functionsText(variant: EndpointBody['variants'][number]): string {
  const now = readyText(variant);
  return now === 'none' ? 'none runs until a request comes' : now;
}

function workersText(view: EndpointBody): string {
  const shifting = view.rollout?.state === 'shifting' && view.rollout.watched_since !== null;
  const share = shifting ? `${view.rollout?.share_percent} % of the requests; ` : '';
  const workers = view.variants
    .map((variant) => {
      const { ready, instance_count: wanted, instance_type: type, functions } = variant;
      const troubled = variant.workers.find((worker) => worker.state === 'failed');
      const trouble = troubled === undefined ? '' : `; ${troubled.reason ?? 'one fails'}`;
      if (functions !== null && wanted === 0) return `serverless, ${typeText(variant)}: ${functionsText(variant)}${trouble}`;
      return `${Math.min(ready, wanted)} of ${wanted} x ${type} ready${trouble}`;
    })
    .join(', ');
  return `${share}${workers}`;
}
