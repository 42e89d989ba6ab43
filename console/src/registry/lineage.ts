/** Reads what a training job wrote into the metadata of its version. Pure. */

export interface VersionLineage {
  readonly job: string;
  /** By channel, where its data came from. */
  readonly data: readonly (readonly [channel: string, uri: string])[];
}

/** Null for a version that no training job has made, or whose metadata were changed. */
export function lineageIn(text: string | undefined): VersionLineage | null {
  try {
    const { job, data } = JSON.parse(text ?? '') as { readonly job?: unknown; readonly data?: unknown };
    if (typeof job !== 'string') return null;
    const channels = typeof data === 'object' && data !== null ? Object.entries(data) : [];
    return {
      job,
      data: channels.flatMap(([channel, { uri }]: [string, { uri?: unknown }]) =>
        typeof uri === 'string' ? [[channel, uri] as const] : [],
      ),
    };
  } catch {
    return null;
  }
}
