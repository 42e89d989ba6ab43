/** Names of model groups, endpoints and variants, which are unique without case. Pure. */

declare const keyed: unique symbol;

/** A name in the form that decides whether two names are the same. Shown nowhere. */
export type NameKey = string & { readonly [keyed]: true };

export function nameKey(name: string): NameKey {
  return name.toLowerCase() as NameKey;
}

export function sameName(one: string, other: string): boolean {
  return nameKey(one) === nameKey(other);
}
