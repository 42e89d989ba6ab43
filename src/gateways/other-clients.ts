/**
 * Clients whose connections another node holds. That node is trusted to say where they come from, because its certificate proves what it
 * is. But they are not on this machine: a loopback address there is not one here, and only calls from this machine may omit a key.
 */
import { isLoopback } from '../config.ts';
import type { PeerFacts } from './introduction.ts';

const textMax = 64;

/**
 * The connection of a client of the node, as audit and access log name it. A client at a loopback address of that node gets the name of the
 * node in its place, `node:b`, which no rule takes for an address of this machine. The rest identifies no socket here.
 */
export function factsOfOther(facts: unknown, node: string): PeerFacts {
  const { remoteAddress: address } = (typeof facts === 'object' && facts !== null ? facts : {}) as Readonly<Record<string, unknown>>;
  const isElsewhere = typeof address === 'string' && address.length <= textMax && /^[\da-fA-F.:]+$/.test(address) && !isLoopback(address);
  return {
    remoteAddress: isElsewhere ? address : `node:${node}`,
    remotePort: undefined,
    localAddress: undefined,
    localPort: undefined,
  };
}
