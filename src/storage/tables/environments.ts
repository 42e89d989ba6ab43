/** Rows of the Python environments: what was asked for, and what was built. */

/** What was requested. What was built from it is in `EnvironmentLocksTable`. */
export interface EnvironmentsTable {
  /** The name in lower case, or `requirements:` and a hash for those that models bring with them. */
  id: string;
  /** Null for those that models bring with them. */
  name: string | null;
  /** Lines in canonical form. */
  requirements: string;
  /** The interpreter to build with. */
  python: string;
  python_version: string;
  platform: string;
  /** `building`, `ready` or `failed`. */
  state: string;
  /** Why the build failed. */
  reason: string | null;
  /** JSON: the last lines of the build. */
  lines: string;
  lock_key: string | null;
  /** Builds that were started since the request, also by earlier servers. */
  attempts: number;
  created_by: string;
  created_at: number;
  changed_at: number;
}

/** One built environment, which several requests can share. */
export interface EnvironmentLocksTable {
  key: string;
  lock: string;
  python: string;
  python_version: string;
  platform: string;
  bytes: number;
  files: number;
  built_at: number;
  used_at: number;
}
