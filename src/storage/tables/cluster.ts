/** Rows of the servers that share a PostgreSQL database, see `cluster/` and `access/`. SQLite has none of these tables. */

import type { Generated } from 'kysely';

/** A node by its name, and the lease of its present process. */
export interface ClusterNodesTable {
  name: string;
  /** A small number that stays with the name. */
  number: number;
  /** Rises each time that a process joins under the name. */
  incarnation: number;
  /** `live` or `dead`. A dead incarnation stays dead. */
  state: string;
  /** The end of the lease, by the clock of the database. */
  expires_at: number;
  joined_at: number;
  /** The version of the program. */
  version: string;
  /** By how many milliseconds its clock is ahead of the database's. */
  clock_offset: Generated<number>;
  /** 1 while the node hands over its slots in order to leave. */
  draining: number;
  /** `HOST:PORT` where other processes open links to it; null if it accepts none. */
  address: string | null;
}

/** A certificate authority of the cluster. */
export interface ClusterAuthoritiesTable {
  /** Counts from 1; the cluster has one at a time, two while they are exchanged. */
  number: number;
  /** PEM. */
  cert: string;
  /** Its private key, encrypted with the cluster key. */
  sealed_key: string;
  /** From then on it issues certificates, epoch milliseconds. */
  issues_from: number;
  created_at: number;
}

/** The certificate of a host. A host without a row was removed, or has not joined. */
export interface ClusterHostCertificatesTable {
  name: string;
  /** Empty: the host was removed, and its name stays taken. */
  serial: string;
  /** That with which it was renewed, which counts as well: the answer may have been lost. */
  previous_serial: string | null;
  /** Epoch milliseconds. */
  expires_at: number;
  joined_at: number;
}

/** A token with which hosts join. */
export interface ClusterJoinTokensTable {
  id: string;
  /** SHA-256 of the secret, hexadecimal. */
  secret_hash: string;
  /** The only host that may use it, also if that host has a certificate already; null for any new host. */
  host: string | null;
  uses_max: number;
  uses: number;
  /** By the clock of the database, as `expires_at`. */
  created_at: number;
  expires_at: number;
}

/** A duty that one node has at a time. */
export interface ClusterRolesTable {
  role: string;
  /** The name of the node; null if none has the role. */
  holder: string | null;
  incarnation: number | null;
  /** Rises each time that another holder takes the role. */
  epoch: number;
}

/** The owner of a slot, and so of the endpoints in it. */
export interface ClusterSlotsTable {
  slot: number;
  /** The name of the node; null if none owns the slot yet. */
  holder: string | null;
  incarnation: number | null;
  /** Rises at each change of the owner. */
  epoch: number;
  /** The node that the owner must hand the slot to; null if it stays. */
  wanted: string | null;
  /** When the owner changed last, by the clock of the database. */
  since: number;
}

/** A host, and what the operator wants of it. */
export interface ClusterHostsTable {
  name: string;
  zone: string;
  /** `ready`, `cordoned` or `draining`. */
  state: string;
  /** When the state changed last, epoch milliseconds. */
  since: number;
  /** When it was linked for the first time, epoch milliseconds. */
  joined_at: number;
  /** JSON: its capacity when it was linked last. */
  facts: string;
}

/** A set of hosts that the home scales. */
export interface ClusterHostSetsTable {
  name: string;
  /** The host of the set that the home empties, by its ordinal; null if it empties none. */
  draining: number | null;
  /** A change that was sent to the engine, and may arrive yet: the number of hosts. Null, as the rest of it, if there is none. */
  hosts: number | null;
  /** The version of the set for which the change counts. */
  version: string | null;
  /** Of the home that sent it. */
  epoch: number | null;
  reason: string | null;
  /** JSON: what the change was decided from. */
  inputs: string | null;
}

/** One row: all keys of the servers that share the database. */
export interface SharedKeysTable {
  /** Always 1. */
  id: number;
  /** Rises with each change. */
  revision: number;
  /** The content of `keys.json`, encrypted. */
  sealed: string;
  changed_at: number;
}
