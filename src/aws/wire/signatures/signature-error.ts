/** Why a signature was rejected. Each protocol has its own code for each reason (see error-codes.ts). */
export type SignatureErrorReason =
  | 'missing'
  | 'malformed'
  | 'unknown-access-key'
  | 'invalid-token'
  | 'expired-token'
  | 'unsigned-header'
  | 'signature-mismatch'
  | 'clock-skew'
  | 'expired'
  | 'payload-hash-mismatch';

export class SignatureError extends Error {
  readonly reason: SignatureErrorReason;

  constructor(reason: SignatureErrorReason, message: string) {
    super(message);
    this.name = 'SignatureError';
    this.reason = reason;
  }
}

/** For a signature that cannot be parsed. */
export function malformedSignature(message: string): SignatureError {
  return new SignatureError('malformed', message);
}
