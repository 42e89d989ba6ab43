/**
 * Which authority of the cluster issues certificates, and which ones are trusted. Pure.
 *
 * A new authority is trusted at once, and issues once every certificate of the one before has been renewed, and with it the list of trusted
 * ones. The one before is trusted until its last certificate has expired. So no process ever meets a certificate that it cannot check.
 */
import { PlatformError } from '../errors.ts';

/** How long the certificate of a node or a host is valid. */
export const certificateMs = 24 * 3_600_000;

/** The part of an authority that decides. Times are epoch milliseconds. */
export interface AuthorityTerm {
  readonly number: number;
  readonly issuesFromMs: number;
}

/** `trusted` contains `issuer`, which comes first. */
export interface AuthoritiesAt<Term> {
  readonly issuer: Term;
  readonly trusted: readonly Term[];
}

/** Throws `wrong_state` without an authority. */
export function authoritiesAt<Term extends AuthorityTerm>(terms: readonly Term[], nowMs: number): AuthoritiesAt<Term> {
  const ordered = terms.toSorted((one, other) => one.number - other.number);
  const issuer = ordered.findLast(({ issuesFromMs }) => issuesFromMs <= nowMs) ?? ordered[0];
  if (issuer === undefined) throw new PlatformError('wrong_state', 'the cluster has no certificate authority: was its table emptied?');
  const isTrusted = (index: number): boolean => {
    const next = ordered[index + 1];
    return next === undefined || nowMs < next.issuesFromMs + certificateMs;
  };
  const others = ordered.filter((term, index) => term !== issuer && isTrusted(index));
  return { issuer, trusted: [issuer, ...others] };
}
