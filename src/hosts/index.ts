export { chooseFrom, chooseHost, type HostChoice } from './choose-host.ts';
export type { HostFacts, HostState, PlacedWorker, PlacementRequest, WantedHostState, WorkerSize } from './host.ts';
export { HostPool } from './host-pool.ts';
export { HostStates, type KnownHost } from './host-states.ts';
export type { HostLinkState, HostsView, HostWorker, ObservedHost, PlacedSpec, UnplacedWorker } from './hosts-view.ts';
export { type HostsWanted, hostsWanted } from './hosts-wanted.ts';
export type { ChosenHost, NewPlacement, PlacementAlternative, PlacementInputs } from './placement-decisions.ts';
export { type MoveUnderWay, Placements } from './placements.ts';
export { type MoveCause, planMoves } from './plan-moves.ts';
