/** Makes the tasks of a home and its hosts from what its provider knows of them. */
import { defined } from '../defined.ts';
import type { TaskEviction } from '../providers/index.ts';
import type { WantedHostState } from './host.ts';
import { hostFactsOf, type ObservedHost } from './hosts-view.ts';
import type { KnownRequirements } from './known-requirements.ts';
import type { LinkedHosts } from './linked-hosts.ts';
import type { PlacedProviderOptions } from './placed-options.ts';
import { PlacedTasks } from './placed-tasks.ts';
import type { NewTaskPlacement } from './placement-decisions.ts';
import type { RemoteHost } from './remote-host.ts';
import { TaskPlacement } from './task-placement.ts';

/** The state of the provider, as it is when it is read. */
interface PlacedTasksParts {
  readonly linked: LinkedHosts;
  readonly needs: KnownRequirements;
  readonly observed: () => readonly ObservedHost[];
  /** What the operator wants of a host; a host that stops is draining. */
  readonly wantedOf: (host: string) => WantedHostState;
  readonly onPlaced: (placement: NewTaskPlacement) => void;
  /** Whether its agent stops. */
  readonly isLeaving: (host: string) => boolean;
}

export function openPlacedTasks(
  { clock, log, local, home: { name: home }, taskLostMs: lostMs }: PlacedProviderOptions,
  { linked, needs, observed, wantedOf, onPlaced, isLeaving }: PlacedTasksParts,
): PlacedTasks {
  const others = (): readonly ObservedHost[] => observed().filter(({ isHome }) => !isHome);
  const chooser = new TaskPlacement({
    needs,
    hosts: () => others().map((host) => hostFactsOf(host, wantedOf(host.name))),
    workers: () => others().flatMap(({ workers }) => workers),
  });
  const evictionOf = (host: RemoteHost): TaskEviction | undefined => {
    if (isLeaving(host.name)) return { why: 'stopping', withinMs: host.endsInMs };
    return wantedOf(host.name) === 'draining' ? { why: 'draining', withinMs: null } : undefined;
  };
  return new PlacedTasks({ clock, log, local: local.tasks, home, linked, chooser, onPlaced, evictionOf, ...defined({ lostMs }) });
}
