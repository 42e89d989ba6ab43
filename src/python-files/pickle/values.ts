/**
 * What the reader of pickles knows of a value. Most values are `null`: only names, short texts, small numbers, and the parts of
 * arrays that joblib stores are of interest. Values of one kind are shared, so a large pickle needs little memory.
 */

/** A class, function or module attribute that the pickle imports. */
export interface PickleName {
  readonly kind: 'name';
  readonly module: string;
  readonly name: string;
  /** Whether the pickle calls it, or makes an instance of it. */
  isCalled: boolean;
  readonly instance: PickleInstance;
}

/** The result of calling an imported name, or an object of an imported class. */
export interface PickleInstance {
  readonly kind: 'instance';
  readonly of: PickleName;
}

/** A datatype of NumPy. */
export interface PickleDtype {
  readonly kind: 'dtype';
  /** As `numpy.dtype` takes it: `f8`, `V64`. */
  readonly code: string;
  /** Of one element; null until the rest of a structured type was read. */
  bytes: number | null;
  /** Elements are Python objects, or contain some. */
  hasObjects: boolean;
}

/** The place of an array in a file of joblib: its bytes follow. */
export interface PickleArray {
  readonly kind: 'array';
  readonly fields: Map<string, PickleValue>;
}

/** A tuple of known length, such as a shape. */
export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

/** The dictionary with the fields of a `PickleArray`. */
export interface PickleFields {
  readonly kind: 'fields';
  readonly items: Map<string, PickleValue>;
}

/** Values of Python's own types, which certainly are not models. */
export interface PicklePlain {
  readonly kind: 'plain';
  readonly what: 'a dict' | 'a list' | 'a tuple' | 'a set' | 'bytes';
}

/** Null: a value of no interest. */
export type PickleValue =
  | string
  | number
  | PickleName
  | PickleInstance
  | PickleDtype
  | PickleArray
  | PickleTuple
  | PickleFields
  | PicklePlain
  | null;

const plain = (what: PicklePlain['what']): PicklePlain => ({ kind: 'plain', what });

export const aDict: PicklePlain = plain('a dict');
export const aList: PicklePlain = plain('a list');
export const aTuple: PicklePlain = plain('a tuple');
export const aSet: PicklePlain = plain('a set');
export const someBytes: PicklePlain = plain('bytes');

/** Narrows a value by its kind; false for texts, numbers, null and undefined. */
export function isKind<Kind extends Exclude<PickleValue, string | number | null>['kind']>(
  value: PickleValue | undefined,
  kind: Kind,
): value is Extract<PickleValue, { readonly kind: Kind }> {
  return typeof value === 'object' && value !== null && value.kind === kind;
}
