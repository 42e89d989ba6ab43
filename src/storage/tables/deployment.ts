/** Endpoints as they are wanted, and what was decided on how many instances they have. */

export interface EndpointsTable {
  name_key: string;
  name: string;
  /** JSON: an `EndpointConfig`. */
  config: string;
  generation: number;
  desired: 'InService' | 'Unloaded' | 'Deleted';
  created_at: number;
  updated_at: number;
  /** JSON: a `Rollout`; null where no update is watched. */
  rollout: string | null;
  /** JSON: a `VersionHistory`; null for an endpoint of before there was one. */
  version_history: string | null;
  /** JSON: the status that was told last, and of which generation; null where none was, or by a server that did not keep it. */
  told_status: string | null;
  /** JSON: the objective that it was served with last, and since when; null where it was with none yet, or by a server that did not keep it. */
  served_objective: string | null;
}

export interface ScaledVariantsTable {
  endpoint_key: string;
  variant_key: string;
  /** How many instances were decided on last. */
  instances: number;
  updated_at: number;
}

export interface ScalingStatesTable {
  endpoint_key: string;
  variant_key: string;
  /** JSON: what is remembered from one scaling decision to the next. */
  state: string;
  updated_at: number;
}
