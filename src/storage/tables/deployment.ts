/** The desired state of endpoints, and decisions about their number of instances. */

/** One row per endpoint until its last worker has stopped. */
export interface EndpointsTable {
  name_key: string;
  name: string;
  /** JSON: an `EndpointConfig`. */
  config: string;
  generation: number;
  desired: 'InService' | 'Unloaded' | 'Deleted';
  created_at: number;
  updated_at: number;
  /** JSON: a `Rollout`; null if no update is in progress. */
  rollout: string | null;
  /** JSON: a `VersionHistory`; null for endpoints of earlier versions. */
  version_history: string | null;
  /** JSON: the last announced status and its generation; null if none was announced or recorded. */
  told_status: string | null;
  /** JSON: the last served objective and its start time; null if none was served or recorded. */
  served_objective: string | null;
}

/** Apart from the config, because a new count is no new generation. */
export interface ScaledVariantsTable {
  endpoint_key: string;
  variant_key: string;
  /** The last decided number of instances. */
  instances: number;
  updated_at: number;
}

/** Lost or outdated state only costs a scaling policy its memory. */
export interface ScalingStatesTable {
  endpoint_key: string;
  variant_key: string;
  /** JSON: the state that scaling decisions carry over. */
  state: string;
  updated_at: number;
}
