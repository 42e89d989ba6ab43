/** What events show of resources. Pure. */

/** Converts times to epoch milliseconds, as in SageMaker's events, and removes environments, whose values may be secret. */
export function outward(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  if (Array.isArray(value)) return value.map(outward);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([name]) => name !== 'Environment');
  return Object.fromEntries(members.map(([name, each]) => [name, outward(each)] as const));
}

/** A member of the detail of an event. */
export function memberOf(detail: unknown, name: string): unknown {
  return typeof detail === 'object' && detail !== null && Object.hasOwn(detail, name)
    ? (detail as Record<string, unknown>)[name]
    : undefined;
}
