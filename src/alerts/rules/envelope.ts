/** The envelope of an event, as in EventBridge. */
export interface Envelope {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  /** ISO 8601. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

const members = ['id', 'account', 'source', 'time', 'region', 'resources', 'detail-type'];

/** The first missing member that EventBridge requires; null if complete. */
export function missingMember(event: unknown): string | null {
  const isObject = typeof event === 'object' && event !== null;
  return members.find((member) => !isObject || !Object.hasOwn(event, member)) ?? null;
}
