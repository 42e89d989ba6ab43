/** How far an upgrade of the cluster is, and what to do next. Pure. */
import type { SchemaState } from '../storage/index.ts';
import { type ClusterState, isSameProcess } from './cluster-state.ts';
import { comparePrograms, compareReleases, type Program, programLabel, programOf } from './program.ts';
import { knows } from './upgrade-rules.ts';

/** A host whose agent is linked. */
export interface LinkedHost {
  readonly name: string;
  readonly version: string;
}

export interface UpgradeStatus {
  /** For the operator; empty if there is nothing to say. */
  readonly notes: readonly string[];
  /** Why the upgrade cannot be finished yet; null if it can. */
  readonly open: string | null;
}

/** The program of a node, and what is restarted before it. */
interface Part {
  readonly what: string;
  readonly program: Program;
  readonly isOld: boolean;
}

export function describeUpgrade(state: ClusterState, schema: SchemaState, hosts: readonly LinkedHost[]): UpgradeStatus {
  const { holder } = state.controller;
  const live = state.nodes.filter(({ isLive, expiresAtMs }) => isLive && expiresAtMs > state.nowMs);
  const programs = live.map((node) => ({ node, program: programOf(node.version) }));
  const newest = programs
    .map(({ program }) => program)
    .toSorted(comparePrograms)
    .at(-1);
  if (newest === undefined) return { notes: [], open: 'no node is live' };
  const nodes = programs.map(({ node, program }) => {
    const serves = isSameProcess(node, holder);
    return { what: `node ${node.name}${serves ? ', which serves' : ''}`, program, isOld: comparePrograms(program, newest) < 0, serves };
  });
  const byName = hosts.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const agents = byName.map(({ name, version }): Part => {
    return { what: `host ${name}`, program: programOf(version), isOld: compareReleases(version, newest.version) < 0 };
  });
  const order = [...agents, ...nodes.filter(({ serves }) => !serves), ...nodes.filter(({ serves }) => serves)];
  const next = order.find(({ isOld }) => isOld);
  if (next !== undefined) {
    const old = order.filter(({ isOld }) => isOld).map(({ what, program }) => `${what}: ${programLabel(program)}`);
    const mixed = `an upgrade to ${programLabel(newest)} is under way, these are older: ${old.join('; ')}`;
    return { notes: [`${mixed}. Next, restart ${next.what}, with ${newest.version}`], open: mixed };
  }
  const isClosed = knows(schema.needed, schema.newest);
  const ask = `all nodes and hosts run ${programLabel(newest)}, and an older version can still take over: go back to it, or end the upgrade with \`penstock cluster finish-upgrade\``;
  return { notes: isClosed ? [] : [ask], open: null };
}
