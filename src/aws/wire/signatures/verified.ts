/** A request with a verified signature, as services see it. Its body is verified while it is read. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import type { Caller } from '../../../access/index.ts';
import { type BodyBudget, BodyHold } from '../../../http/index.ts';
import type { AwsLocation, VerifiedRequest } from '../../service.ts';
import { type Pair, utf8Of } from '../percent.ts';
import { allowBody, clientDisconnected, readEntireBody, tooLarge } from '../request-body.ts';
import { BodyCheck, type DeclaredBody, isHash, isStream, payloadMismatch } from './body-check.ts';
import { sha256Hex } from './signature-v4.ts';

export interface VerifiedParts extends AwsLocation {
  readonly caller: Caller;
  readonly requestId: string;
  readonly path: string;
  readonly hostBucket: string | null;
  readonly pairs: readonly Pair[];
  readonly promises: DeclaredBody;
  readonly budget: BodyBudget;
  /** Set if the body had to be read to verify the signature. */
  readonly wholeBody: Buffer | null;
}

export class VerifiedCall implements VerifiedRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #parts: VerifiedParts;
  #query: URLSearchParams | null = null;
  #headers: IncomingHttpHeaders | null = null;
  #signal: AbortSignal | null = null;
  #body: Readable | null = null;
  #trailers: Readonly<Record<string, string>> | null = null;

  constructor(request: IncomingMessage, response: ServerResponse, parts: VerifiedParts) {
    this.#request = request;
    this.#response = response;
    this.#parts = parts;
  }

  get account(): string {
    return this.#parts.account;
  }

  get region(): string {
    return this.#parts.region;
  }

  get caller(): Caller {
    return this.#parts.caller;
  }

  get requestId(): string {
    return this.#parts.requestId;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get path(): string {
    return this.#parts.path;
  }

  get hostBucket(): string | null {
    return this.#parts.hostBucket;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#parts.pairs.map(([name, value]): [string, string] => [utf8Of(name), utf8Of(value)]));
    return this.#query;
  }

  get headers(): IncomingHttpHeaders {
    this.#headers ??= this.#isChunked ? withoutChunking(this.#request.headers) : this.#request.headers;
    return this.#headers;
  }

  get contentLength(): number | null {
    if (this.#isChunked) return this.#parts.promises.decodedLength;
    const { 'content-length': length, 'transfer-encoding': encoding } = this.#request.headers;
    return length !== undefined ? Number(length) : encoding === undefined ? 0 : null;
  }

  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.#response);
    return this.#signal;
  }

  trailers(): Readonly<Record<string, string>> | null {
    return this.#trailers;
  }

  get body(): Readable {
    this.#body ??= this.#stream();
    return this.#body;
  }

  async readBody(bytesMax: number): Promise<Buffer> {
    const { wholeBody, promises } = this.#parts;
    if (wholeBody !== null) {
      if (wholeBody.length > bytesMax) throw tooLarge(bytesMax);
      this.#trailers = {};
      return wholeBody;
    }
    if (this.#isChunked) return this.#collect(bytesMax);
    const body = await readEntireBody(this.#request, this.#response, { limitBytes: bytesMax, budget: this.#parts.budget });
    if (promises.checksums.length > 0) {
      const check = new BodyCheck(promises);
      check.update(body, () => {});
      check.end();
    } else if (isHash(promises.payload) && sha256Hex(body) !== promises.payload) {
      throw payloadMismatch();
    }
    this.#trailers = {};
    return body;
  }

  get #isChunked(): boolean {
    return isStream(this.#parts.promises.payload);
  }

  async #collect(bytesMax: number): Promise<Buffer> {
    const hold = new BodyHold(this.#parts.budget, this.#response);
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this.body as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > bytesMax) throw tooLarge(bytesMax);
      const refusal = hold.grow(length);
      if (refusal !== null) throw refusal;
      pieces.push(piece);
    }
    return Buffer.concat(pieces, length);
  }

  /** Not a pipeline, which would destroy the connection with a rejected body before the error response is sent. */
  #stream(): Readable {
    allowBody(this.#request, this.#response);
    const check = new BodyCheck(this.#parts.promises);
    const checked = new Transform({
      transform(bytes: Buffer, _encoding, done) {
        try {
          check.update(bytes, (data) => this.push(data));
          done();
        } catch (error) {
          done(error as Error);
        }
      },
      flush: (done) => {
        try {
          this.#trailers = check.end();
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    });
    // If the body is invalid before a service reads it, the stream keeps its error for the later reader. Without a listener the error
    // would end the process.
    checked.on('error', () => undefined);
    if (this.#parts.wholeBody !== null) {
      checked.end(this.#parts.wholeBody);
      return checked;
    }
    const request = this.#request;
    const onClose = (): void => {
      if (!request.complete) checked.destroy(clientDisconnected());
    };
    request.once('close', onClose);
    request.once('error', onClose);
    request.pipe(checked);
    return checked;
  }
}

/** aws-chunked is a transfer encoding, not a property of the content. */
function withoutChunking(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { 'content-encoding': encoding, ...rest } = headers;
  const left = (encoding ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && each.toLowerCase() !== 'aws-chunked');
  return left.length === 0 ? rest : { ...rest, 'content-encoding': left.join(',') };
}

/** Aborts if the connection closes before the response was sent. */
export function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (response.destroyed) controller.abort();
  else
    response.once('close', () => {
      if (!response.writableFinished) controller.abort();
    });
  return controller.signal;
}
