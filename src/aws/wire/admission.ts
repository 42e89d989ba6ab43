/**
 * Who is calling? In this order, so that nothing is told about a request whose signature is wrong: its form, the key, the
 * scope's date, what had to be signed, the signature, the clock or the expiry. The body comes after: its hash, its length,
 * its checksums (see body-check.ts); unless the signature can only be verified with it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Access, Caller } from '../../access/index.ts';
import type { Clock } from '../../clock.ts';
import type { BodyBudget } from '../../http/index.ts';
import { AwsError } from '../service.ts';
import { type BodyPromises, isHash, isStream, payloadMismatch, promisesOf, unsignedPayload } from './body-check.ts';
import type { Pair } from './percent.ts';
import { readWhole } from './request-body.ts';
import { readSignature, type SignedRequest, type V4Signature, withoutSignature } from './signature.ts';
import { SignatureRefusal } from './signature-refusal.ts';
import { verifyV2 } from './signature-v2.ts';
import { checkCoverage, checkTime, SigningKeys, scopeText, sha256Hex } from './signature-v4.ts';

export interface Admission {
  readonly caller: Caller;
  /** The query without what belongs to the signature. */
  readonly pairs: readonly Pair[];
  readonly promises: BodyPromises;
  /** Where the signature took it. */
  readonly wholeBody: Buffer | null;
}

export interface AdmissionContext {
  /** Without the mount prefix. */
  readonly path: string;
  readonly hostBucket: string | null;
  readonly isS3: boolean;
  /** Of a body that has to be read before anything is known of the caller. */
  readonly bytesMax: number;
}

export interface AdmissionOptions {
  readonly access: Pick<Access, 'secretFor' | 'callerFor'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly budget: BodyBudget;
}

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

  /** Throws `SignatureRefusal`, `AwsError` for S3's own refusals, `PlatformError` for a body that is too large. */
  async admit(request: IncomingMessage, response: ServerResponse, signed: SignedRequest, context: AdmissionContext): Promise<Admission> {
    const signature = readSignature(signed);
    const secret = this.#access.secretFor(signature.keyId);
    const caller = this.#access.callerFor(signature.keyId);
    if (secret === undefined || caller === undefined) {
      throw new SignatureRefusal('unknown-access-key', 'The AWS access key ID you provided does not exist in our records.');
    }
    const pairs = withoutSignature(signature);
    if (signature.scheme === 'v2-query') {
      verifyV2(signed, signature, context, secret, this.#clock.wallMs());
      return { caller, pairs, promises: promisesOf(signed.headers, unsignedPayload, { hasChecksums: true }), wholeBody: null };
    }
    checkCoverage(signed, signature);
    const promised = promisedPayload(signed, signature, context.isS3);
    const limits = { limitBytes: context.bytesMax, budget: this.#budget };
    const wholeBody = promised === null ? await readWhole(request, response, limits) : null;
    const payload = promised ?? sha256Hex(wholeBody as Buffer);
    const key = this.#keys.verify(signed, signature, payload, secret);
    checkTime(signature, this.#clock.wallMs());
    const seed = { key, date: signature.date, scope: scopeText(signature), signature: signature.signature };
    return { caller, pairs, promises: promisesOf(signed.headers, payload, { hasChecksums: context.isS3, seed }), wholeBody };
  }
}

/** The payload hash that the client sent; null where it is that of the body as it comes. */
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
