/** Removes undefined members from objects: code that compares or spreads objects distinguishes an undefined member from an absent one. */

/** `T` without undefined among the values of its members. A member may still be absent, for which `exactOptionalPropertyTypes` differs. */
export type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The members that are not undefined. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
