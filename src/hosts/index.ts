export { chooseFrom, chooseHost, type HostChoice } from './choose-host.ts';
export type { HostFacts, HostState, PlacedWorker, PlacementRequest, WorkerSize } from './host.ts';
export { HostPool } from './host-pool.ts';
export { hostsWanted } from './hosts-wanted.ts';
export { planMoves } from './plan-moves.ts';
