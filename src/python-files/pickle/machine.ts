/**
 * The stack machine of pickles, on values of which only names and short texts are known. Nothing is imported or called: a call
 * yields "an instance of what was called".
 */
import assert from 'node:assert/strict';
import { applyDtypeState, dtypeOf } from './dtype.ts';
import { MalformedPickle } from './malformed-pickle.ts';
import type { PickleNames } from './names.ts';
import { aDict, aList, aSet, aTuple, isKind, type PickleArray, type PickleName, type PickleValue } from './values.ts';

/** Values on the stack, and marks. A list is filled by 1,000 at a time, so only odd pickles come near. */
const entriesMax = 1_000_000;
/** A vocabulary has millions of words, each of which is remembered. */
const memoMax = 8_000_000;
/** Longer tuples are never read. */
const tupleItemsMax = 64;

/** A stack that grows too deep, or ends too early, makes the pickle malformed. */
export class PickleMachine {
  readonly #names: PickleNames;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo: (PickleValue | undefined)[] = [];
  #memoCount = 0;
  /** Below, the stack belongs to the last mark. */
  #fence = 0;

  constructor(names: PickleNames) {
    this.#names = names;
  }

  push(value: PickleValue): void {
    if (this.#stack.length >= entriesMax) throw new MalformedPickle(`it nests more than ${entriesMax} values`);
    this.#stack.push(value);
  }

  pop(): PickleValue {
    if (this.#stack.length <= this.#fence) throw new MalformedPickle('it takes a value from an empty stack');
    return this.#stack.pop() as PickleValue;
  }

  /** The value that `depth` others cover. */
  top(depth = 0): PickleValue {
    const index = this.#stack.length - 1 - depth;
    if (index < this.#fence) throw new MalformedPickle('it takes a value from an empty stack');
    return this.#stack[index] as PickleValue;
  }

  replaceTop(value: PickleValue): void {
    this.pop();
    this.push(value);
  }

  mark(): void {
    if (this.#marks.length >= entriesMax) throw new MalformedPickle(`it nests more than ${entriesMax} values`);
    this.#marks.push(this.#stack.length);
    this.#fence = this.#stack.length;
  }

  /** Takes the values after the last mark. Returns at most the first 64. */
  popMark(): PickleValue[] {
    const from = this.#marks.pop();
    if (from === undefined) throw new MalformedPickle('it lacks a mark');
    this.#fence = this.#marks.at(-1) ?? 0;
    const items = this.#stack.slice(from, from + tupleItemsMax);
    this.#stack.length = from;
    return items;
  }

  /** POP takes a mark if there is nothing after it. */
  popAny(): void {
    if (this.#marks.length > 0 && this.#fence === this.#stack.length) this.popMark();
    else this.pop();
  }

  memoize(index: number = this.#memoCount): void {
    if (index < 0 || index >= memoMax) throw new MalformedPickle(`it remembers more than ${memoMax} values`);
    const value = this.top();
    // Values in between are holes, which an array would store in a slower form.
    while (this.#memo.length < index) this.#memo.push(undefined);
    if (this.#memo[index] === undefined) this.#memoCount++;
    this.#memo[index] = value;
  }

  recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) throw new MalformedPickle(`it recalls the value ${index}, which it did not store`);
    this.push(value);
  }

  /** Of the last `size` values, or of those after the mark. Remembers the items only of tuples that describe arrays. */
  tuple(size: number | null): void {
    const count = size ?? this.#stack.length - this.#fence;
    const items: PickleValue[] = size === null ? this.popMark() : Array.from({ length: size }, () => this.pop()).reverse();
    const below = this.#stack.length > this.#fence ? this.#stack.at(-1) : null;
    const isWanted = below === 'shape' || isKind(below, 'dtype') || (isKind(below, 'name') && this.#names.isOfInterest(below));
    this.push(isWanted && count <= tupleItemsMax ? { kind: 'tuple', items } : aTuple);
  }

  emptyDict(): void {
    const below = this.#stack.length > this.#fence ? this.#stack.at(-1) : null;
    this.push(isKind(below, 'array') ? { kind: 'fields', items: new Map() } : aDict);
  }

  /** Adds `pairs` (key, value, key, …) to the dictionary on top. */
  setItems(pairs: readonly PickleValue[]): void {
    const target = this.top();
    this.#checkTarget(target);
    if (!isKind(target, 'fields')) return;
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const key = pairs[i];
      if (typeof key === 'string') target.items.set(key, pairs[i + 1] as PickleValue);
    }
  }

  addItems(): void {
    this.#checkTarget(this.top());
  }

  /** Python calls `append` or `__setitem__` of whatever is on top. */
  #checkTarget(target: PickleValue): void {
    if (isKind(target, 'name')) this.#names.odd(`adds items to ${target.module}.${target.name}`);
  }

  /** A value that only the program that wrote the file could resolve. */
  persistent(): void {
    this.pop();
    this.#names.odd('refers to values outside of the file (persistent IDs)');
    this.push(null);
  }

  stackGlobal(): void {
    const name = this.pop();
    const module = this.pop();
    if (typeof name === 'string' && typeof module === 'string') this.push(this.#names.add(module, name));
    else {
      this.#names.odd('imports a name that is not written in the file');
      this.push(null);
    }
  }

  /** REDUCE and NEWOBJ: `callee(*args)`. */
  call(callee: PickleValue, args: PickleValue): void {
    if (!isKind(callee, 'name')) {
      this.#names.odd('calls a function that is computed while the file opens');
      this.push(null);
      return;
    }
    callee.isCalled = true;
    this.push(this.#resultOf(callee, args));
  }

  #resultOf(callee: PickleName, args: PickleValue): PickleValue {
    const path = `${callee.module}.${callee.name}`;
    if (path === 'numpy.dtype') return dtypeOf(args) ?? callee.instance;
    if (path === 'joblib.numpy_pickle.NumpyArrayWrapper') return { kind: 'array', fields: new Map() };
    if (path !== 'copyreg._reconstructor' && path !== 'copyreg.__newobj__') return callee.instance;
    const of = isKind(args, 'tuple') ? args.items[0] : null;
    if (!isKind(of as PickleValue, 'name')) {
      this.#names.odd('makes an instance of a class that is not written in the file');
      return null;
    }
    const made = of as PickleName;
    made.isCalled = true;
    return this.#resultOf(made, null);
  }

  /** BUILD sets the state of the value on top. Returns the array whose bytes follow in files of joblib. */
  build(): PickleArray | null {
    const state = this.pop();
    const target = this.top();
    if (isKind(target, 'name')) this.#names.odd(`changes ${target.module}.${target.name}`);
    if (isKind(target, 'dtype') && !applyDtypeState(target, state)) target.bytes = null;
    if (!isKind(target, 'array')) return null;
    if (isKind(state, 'fields')) for (const [key, value] of state.items) target.fields.set(key, value);
    return target;
  }

  list(): void {
    this.popMark();
    this.push(aList);
  }

  set(): void {
    this.popMark();
    this.push(aSet);
  }

  /** The value of the whole pickle. */
  result(): PickleValue {
    const value = this.pop();
    assert(this.#stack.length >= this.#fence);
    return value;
  }
}
