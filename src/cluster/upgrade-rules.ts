/**
 * What nodes of two versions may do in one cluster (ADR 60). Pure.
 *
 * A node that becomes the home runs the steps of the tables that it knows and the database lacks. So a node leaves the role to a live one
 * that these steps would keep from serving; and a node whose program the tables have left behind neither joins nor serves.
 */
import { haveCommonProtocol, protocolsText } from '../links/index.ts';
import type { SchemaState, StepNumbers } from '../storage/index.ts';
import type { ClusterNode } from './cluster-state.ts';
import { type Program, programLabel, programOf } from './program.ts';

/** Whether a program with these steps knows those. */
export function knows(tables: StepNumbers, needed: StepNumbers): boolean {
  return tables.state >= needed.state && tables.metrics >= needed.metrics;
}

/** Why this program cannot be a node beside these live ones, on these tables; null if it can. */
export function whyNotJoin(own: Program, { needed }: Pick<SchemaState, 'needed'>, nodes: readonly ClusterNode[]): string | null {
  if (!knows(own.tables, needed)) {
    return `the tables of the cluster were changed by a newer version of Penstock: this one, ${programLabel(own)}, lacks step ${needed.state}. Install the version of the other nodes here`;
  }
  const far = nodes.find(({ version }) => !haveCommonProtocol(own.links, programOf(version).links));
  if (far === undefined) return null;
  const { version, links } = programOf(far.version);
  return `the version of this node, ${own.version}, is too far from that of node ${far.name}, ${version}: it understands links of version ${protocolsText(own.links)}, ${far.name} those of ${protocolsText(links)}. Upgrade all nodes to a version between the two first`;
}

/** What the tables need now, and once this program has run its steps. */
export interface SchemaChange {
  readonly schema: SchemaState;
  readonly neededAfter: StepNumbers;
}

/** Why this program leaves the role to others; null if it may take it. `others`: the other nodes that may take it. */
export function whyNotServe(own: Program, { schema, neededAfter }: SchemaChange, others: readonly ClusterNode[]): string | null {
  const unable = whyNotJoin(own, schema, []);
  if (unable !== null) return unable;
  const left = others.find(({ version }) => {
    const { tables } = programOf(version);
    return knows(tables, schema.needed) && !knows(tables, neededAfter);
  });
  if (left === undefined) return null;
  return `node ${left.name} has an older version, ${programLabel(programOf(left.version))}, which could not serve on the tables of this one: it may serve first`;
}
