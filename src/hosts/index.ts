export { type AgentControl, type AgentSettings, defaultHostName, machineCapacity, runAgent } from './agent/run-agent.ts';
export { chooseFrom, chooseHost, type HostChoice } from './choose-host.ts';
export { type ClusterStatus, ClusterView, type LinkedNodeStatus, type NodeLink } from './cluster-view.ts';
export type { HostFacts, HostState, PlacedWorker, PlacementRequest, WantedHostState, WorkerSize } from './host.ts';
export { HostPool } from './host-pool.ts';
export type { HostSetStatus } from './host-set/host-scaler.ts';
export type { ChosenHostSet, HostSetAlternative, HostSetInputs } from './host-set/host-set-decisions.ts';
export { HostStates, type KnownHost } from './host-states.ts';
export type { HostStatus } from './host-status.ts';
export {
  type HostLinkState,
  type HostsView,
  type HostTask,
  type HostWorker,
  type ObservedHost,
  type PlacedSpec,
  type UnplacedWorker,
} from './hosts-view.ts';
export { type HostsWanted, hostsWanted } from './hosts-wanted.ts';
export { type Cluster, openCluster } from './open-cluster.ts';
export { openHosts } from './open-hosts.ts';
export type { HomeProvider } from './placed-options.ts';
export type { PlacedProvider } from './placed-provider.ts';
export type { ChosenHost, NewPlacement, PlacementAlternative, PlacementInputs } from './placement-decisions.ts';
export { type MoveUnderWay, Placements } from './placements.ts';
export { type MoveCause, type MoveLimits, planMoves } from './plan-moves.ts';
