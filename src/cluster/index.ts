export type { ClusterNode, ClusterSlot, ClusterState, NodeProcess } from './cluster-state.ts';
export { controllerAddress, isSameProcess, linkAddresses, readClusterState } from './cluster-state.ts';
export { clockNote, clockNotes, clockOffsetMsMax, describeNodes, type NodeStatus } from './describe-nodes.ts';
export { asController, asOwner, type ControllerTerm, Deposed, type SlotOwnership } from './fences.ts';
export { defaultMemberLimits, Member, type MemberLimits, type MemberOptions, type SlotHandlers } from './member.ts';
export { removedNodes, removeNode } from './remove-node.ts';
export { slotCount, slotOf } from './slot-of.ts';
