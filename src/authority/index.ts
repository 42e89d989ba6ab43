export type { CreatedJoinToken, JoinTokenSummary, NewJoinToken } from './join-tokens.ts';
export { NodeLinks, type NodeLinksOptions } from './node-links.ts';
