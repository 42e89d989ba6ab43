/**
 * A set of equal hosts that an engine runs: a StatefulSet of Kubernetes, or what a program of the operator manages. Its hosts are named
 * `NAME-0` to `NAME-(n-1)`, and a smaller number ends the highest ones.
 */

/** How many hosts the engine is to run. */
export interface HostSetCount {
  readonly hosts: number;
  /** Another one after each change of the set, and never an earlier one again. Opaque. */
  readonly version: string;
}

/** A new number of hosts. */
export interface HostSetChange {
  readonly hosts: number;
  /** The engine rejects the change if the set has another version by now. */
  readonly version: string;
  /** Of the home that asks for it. An engine that has seen a higher one may reject it. */
  readonly epoch: number;
}

/** Kubernetes or a program; both run the tests of `host-set-contract.test.ts`. Both methods throw `forbidden` and `unavailable`. */
export interface HostSet {
  read(): Promise<HostSetCount>;
  /** Null: the set has another version than `version`, and nothing was changed. After `unavailable`, the change may have been made. */
  write(change: HostSetChange): Promise<HostSetCount | null>;
}

/** A cluster has at most as many hosts. */
const hostSetMax = 10_000;
/** Of Kubernetes: about 20 characters. */
const versionLengthMax = 256;

/** Null if these are no number of hosts and version. Both come from outside. */
export function hostSetCount(hosts: unknown, version: unknown): HostSetCount | null {
  const isCount = typeof hosts === 'number' && Number.isInteger(hosts) && hosts >= 0 && hosts <= hostSetMax;
  const isVersion = typeof version === 'string' && version !== '' && version.length <= versionLengthMax;
  return isCount && isVersion ? { hosts, version } : null;
}

/** `h-12` of the set `h`: 12. Null for a host that is not in the set. */
export function ordinalOf(set: string, host: string): number | null {
  if (!host.startsWith(`${set}-`)) return null;
  const digits = host.slice(set.length + 1);
  return /^(?:0|[1-9]\d{0,5})$/.test(digits) ? Number(digits) : null;
}

/** What an engine printed, on one line and short: it is shown in events and notes. */
export function oneLine(text: string): string {
  return text
    .replaceAll(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, 200);
}
