/** Why a request's signature was not accepted. Each protocol has its own code for it (see error-codes.ts). */
export type RefusalReason =
  | 'missing'
  | 'malformed'
  | 'unknown-access-key'
  | 'unsigned-header'
  | 'signature-mismatch'
  | 'clock-skew'
  | 'expired'
  | 'payload-hash-mismatch';

export class SignatureRefusal extends Error {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, message: string) {
    super(message);
    this.name = 'SignatureRefusal';
    this.reason = reason;
  }
}

/** For what is no signature at all. */
export function malformed(message: string): SignatureRefusal {
  return new SignatureRefusal('malformed', message);
}
