/** Where a host finds the nodes: those that run, and as a last resort those that ran earlier or that its join tokens name. Pure. */
import { addressParts } from './link-attempt.ts';

/** Each is a list of `HOST:PORT`. */
export interface KnownNodes {
  /** Nodes that ran when the host last learned of it, the home first. */
  readonly nodes: readonly string[];
  /** Of the join tokens that the host was started with: never forgotten. */
  readonly configured: readonly string[];
  /** Nodes that ran at some time, the latest first. */
  readonly earlier: readonly string[];
}

/** No list is longer. */
export const nodesMax = 64;

/** What a node says that runs now. Entries that are no addresses are left out; if none is left, nothing changes. */
export function withPresentNodes(known: KnownNodes, said: readonly unknown[]): KnownNodes {
  const nodes = addressesOf(said);
  if (nodes.length === 0 || nodes.join() === known.nodes.join()) return known;
  return { ...known, nodes, earlier: without([...known.nodes, ...known.earlier], nodes) };
}

export function withConfiguredNodes(known: KnownNodes, named: readonly string[]): KnownNodes {
  return { ...known, configured: addressesOf([...named, ...known.configured]) };
}

/** To be tried after those that run: the configured ones first. */
export function lastResortNodes({ nodes, configured, earlier }: KnownNodes): readonly string[] {
  return [...new Set([...configured, ...earlier])].filter((address) => !nodes.includes(address));
}

function without(addresses: readonly string[], others: readonly string[]): readonly string[] {
  return [...new Set(addresses)].filter((address) => !others.includes(address)).slice(0, nodesMax);
}

function addressesOf(said: readonly unknown[]): readonly string[] {
  const known = said.filter((each) => typeof each === 'string' && addressParts(each) !== null) as string[];
  return [...new Set(known)].slice(0, nodesMax);
}
