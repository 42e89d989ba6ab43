/**
 * Versions of what two processes say to each other on a link. A program understands a range of them, so that nodes and hosts can be upgraded
 * one by one: a new frame that the other side must know makes a new number, and the number before stays in the range for a version.
 */
import { PlatformError } from '../errors.ts';

/** The oldest and the newest version that a program understands. */
export interface LinkProtocols {
  readonly min: number;
  readonly max: number;
}

/** Those of this program. */
export const linkProtocols: LinkProtocols = { min: 1, max: 1 };

/** Who does not say. */
export const firstProtocols: LinkProtocols = { min: 1, max: 1 };

export function haveCommonProtocol(one: LinkProtocols, other: LinkProtocols): boolean {
  return one.min <= other.max && other.min <= one.max;
}

/** `1`, or `2 to 3`. */
export function protocolsText({ min, max }: LinkProtocols): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

/** As in an introduction. Throws `invalid_request`. */
export function readProtocols(value: unknown): LinkProtocols {
  if (value === undefined) return firstProtocols;
  const { min, max } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (Number.isSafeInteger(min) && Number.isSafeInteger(max)) return { min: Number(min), max: Number(max) };
  throw new PlatformError('invalid_request', 'the protocols of an introduction are two whole numbers, min and max');
}
