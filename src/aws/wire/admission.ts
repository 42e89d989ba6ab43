/**
 * Authenticates a request. The checks run in this order, so a response reveals nothing to a caller with a wrong signature: form, key, date
 * of the scope, coverage, signature, clock skew or expiry. The body's hash, length and checksums are checked later (see body-check.ts),
 * unless the signature covers the body itself.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, Caller, Signer } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import type { BodyBudget } from '../../http/index.ts';
import { AwsError } from '../service.ts';
import type { Pair } from './percent.ts';
import { readEntireBody } from './request-body.ts';
import { type DeclaredBody, declaredBodyOf, isHash, isStream, payloadMismatch, unsignedPayload } from './signatures/body-check.ts';
import { type RequestSignature, readSignature, type SignedRequest, type V4Signature, withoutSignature } from './signatures/signature.ts';
import { SignatureError } from './signatures/signature-error.ts';
import { verifyV2 } from './signatures/signature-v2.ts';
import { checkCoverage, checkTime, SigningKeys, scopeText, sha256Hex } from './signatures/signature-v4.ts';

/** An authenticated request whose body may still have to be read and checked. */
export interface Admission {
  readonly caller: Caller;
  /** The query without the parameters of the signature. */
  readonly pairs: readonly Pair[];
  readonly promises: DeclaredBody;
  /** Set if verifying the signature required the body. */
  readonly wholeBody: Buffer | null;
}

/** What the route says of the request before it is authenticated. */
export interface AdmissionContext {
  /** Without the mount prefix. */
  readonly path: string;
  readonly hostBucket: string | null;
  readonly isS3: boolean;
  /** Limit for a body that must be read before the caller is authenticated. */
  readonly bytesMax: number;
}

export interface AdmissionOptions {
  readonly access: Pick<Access, 'signerFor'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly budget: BodyBudget;
}

/** Authenticates all requests of the AWS endpoint. Derived signing keys are kept for further requests. */
export class Admissions {
  readonly #access: AdmissionOptions['access'];
  readonly #clock: AdmissionOptions['clock'];
  readonly #budget: BodyBudget;
  readonly #keys = new SigningKeys();

  constructor({ access, clock, budget }: AdmissionOptions) {
    this.#access = access;
    this.#clock = clock;
    this.#budget = budget;
  }

  /** Throws `SignatureError`, `AwsError` for S3's own errors, or `PlatformError` for a body that is too large. */
  async admit(request: IncomingMessage, response: ServerResponse, signed: SignedRequest, context: AdmissionContext): Promise<Admission> {
    const signature = readSignature(signed);
    const { secret, caller } = this.#signerOf(signed, signature);
    const pairs = withoutSignature(signature);
    if (signature.scheme === 'v2-query') {
      verifyV2(signed, signature, context, secret, this.#clock.wallMs());
      return { caller, pairs, promises: declaredBodyOf(signed.headers, unsignedPayload, { hasChecksums: true }), wholeBody: null };
    }
    checkCoverage(signed, signature);
    const promised = promisedPayload(signed, signature, context.isS3);
    const limits = { limitBytes: context.bytesMax, budget: this.#budget };
    const wholeBody = promised === null ? await readEntireBody(request, response, limits) : null;
    const payload = promised ?? sha256Hex(wholeBody as Buffer);
    const key = this.#keys.verify(signed, signature, payload, secret);
    checkTime(signature, this.#clock.wallMs());
    const seed = { key, date: signature.date, scope: scopeText(signature), signature: signature.signature };
    return { caller, pairs, promises: declaredBodyOf(signed.headers, payload, { hasChecksums: context.isS3, seed }), wholeBody };
  }

  /** The signature covers the session token: `checkCoverage` for a header; a query is signed whole. */
  #signerOf(signed: SignedRequest, signature: RequestSignature): Signer {
    const token = sessionTokenOf(signed, signature);
    const signer = this.#access.signerFor(signature.keyId, token);
    if (signer === 'expired') {
      throw new SignatureError('expired-token', 'The security token included in the request is expired: call AssumeRole again');
    }
    if (signer !== undefined) return signer;
    if (token !== undefined && signature.keyId.startsWith('ASIA')) {
      throw new SignatureError('invalid-token', 'The security token included in the request is invalid, or its key was revoked');
    }
    throw new SignatureError('unknown-access-key', 'The AWS access key ID you provided does not exist in our records.');
  }
}

/** Undefined for Version 2, whose signature does not cover the token in every form. */
function sessionTokenOf({ headers }: SignedRequest, { scheme, pairs }: RequestSignature): string | undefined {
  if (scheme === 'v2-query') return undefined;
  const token = scheme === 'v4-query' ? pairs.find(([name]) => name === 'X-Amz-Security-Token')?.[1] : headers['x-amz-security-token'];
  return typeof token === 'string' ? token : undefined;
}

/** The payload hash that the client declared; null if it must be computed from the body. */
function promisedPayload({ headers }: SignedRequest, { scheme, pairs }: V4Signature, isS3: boolean): string | null {
  const header = headers['x-amz-content-sha256'] ?? pairs.find(([name]) => name === 'X-Amz-Content-Sha256')?.[1];
  if (typeof header !== 'string') {
    if (!isS3) return null;
    if (scheme === 'v4-query') return unsignedPayload;
    throw new AwsError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  if (isHash(header)) return header;
  if (!isS3) throw payloadMismatch();
  if (header === unsignedPayload || isStream(header)) return header;
  if (header.startsWith('STREAMING-')) {
    throw new AwsError(
      'NotImplemented',
      `x-amz-content-sha256 ${header.slice(0, 60)} is not supported: send the payload unsigned, or its hash`,
      {
        httpStatus: 501,
      },
    );
  }
  throw new AwsError(
    'InvalidArgument',
    `x-amz-content-sha256 must be ${unsignedPayload}, one of the STREAMING values, or a valid sha256 value.`,
  );
}
