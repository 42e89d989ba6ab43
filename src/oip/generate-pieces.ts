/**
 * `generate` and `generate_stream` of a model that answers with a stream of values. Each value is a response of its own: a text is its
 * `text_output`, the members of an object are its outputs, any other JSON is its `output`.
 */
import { checkedJson, type PieceKind, pieceKind, type StreamForm, serverSentEvent, streamForm, streamTypes } from '../codecs/index.ts';
import { replyHeaders } from '../connections/index.ts';
import type { WireBody } from '../data-quality/index.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { inferenceIdOf, writePiece } from '../http/index.ts';
import type { Payload, ProcessReply, ReplySink } from '../runtime/index.ts';
import { BytesExchange, type InferenceResult, type ServedRoute } from '../serving/index.ts';
import type { OipDeps } from './deps.ts';
import { type HttpCall, sendFailure } from './http-inference.ts';
import { sendText } from './replies.ts';

const json = 'application/json';

/** The form of the response is chosen by the request; the model does not know it. */
export class PiecesExchange extends BytesExchange {
  readonly #call: HttpCall;
  readonly #form: StreamForm;
  #kind: PieceKind = 'text';
  protected readonly sink: ReplySink | null;

  constructor(services: OipDeps, call: HttpCall, route: ServedRoute) {
    super(services, call.requestId, route, call.response);
    this.#call = call;
    this.#form = streamForm(call.request.headers.accept) ?? 'events';
    this.sink = call.position.kind === 'generate-stream' ? this.#pieces() : null;
  }

  #pieces(): ReplySink {
    const { response } = this.#call;
    return {
      begin: ({ headers }) => this.#begin(headers['content-type']),
      piece: async (bytes) => writePiece(response, this.#formatted(this.#answerTo(bytes))),
    };
  }

  #begin(contentType: string | undefined): void {
    this.#kind = checkedKind(this.route, contentType);
    const { response, requestId } = this.#call;
    response.writeHead(200, replyHeaders(requestId, streamTypes[this.#form]));
    response.flushHeaders();
  }

  #formatted(answer: string): string {
    return this.#form === 'events' ? serverSentEvent(answer) : `${answer}\n`;
  }

  /** The response for a value, or for all values of a text. */
  #answerTo(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    if (this.#kind === 'text') return this.#answerWith(`"text_output":${JSON.stringify(text)}`);
    const value = checkedValue(text);
    return this.#answerWith(value.startsWith('{') ? value.slice(1, -1).trim() : `"output":${value}`);
  }

  #answerWith(outputs: string): string {
    const { endpoint, version } = this.route;
    const head = `{"model_name":${JSON.stringify(endpoint)},"model_version":${JSON.stringify(version)}`;
    return outputs === '' ? `${head}}` : `${head},${outputs}}`;
  }

  /** A model that takes text finds it as `text_input`. */
  protected payload(body: Buffer): Payload {
    return { headers: { 'content-type': json, 'x-request-id': this.requestId }, body };
  }

  protected inferenceId(): string | null {
    return inferenceIdOf(this.#call.request);
  }

  protected answer({ reply }: InferenceResult): void {
    const { request, response, requestId, position } = this.#call;
    if (position.kind === 'generate') sendText(request, response, requestId, json, this.#wholeAnswer(reply));
    else {
      if (!response.headersSent) {
        this.#begin(reply?.headers['content-type']);
        if (reply !== undefined && reply.body.length > 0) response.write(this.#formatted(this.#answerTo(reply.body)));
      }
      response.end();
    }
    this.capture?.end(this.capturedInput(), null);
  }

  #wholeAnswer(reply: ProcessReply | undefined): string {
    if (reply === undefined) throw new PlatformError('internal', 'the model returned no reply');
    this.#kind = checkedKind(this.route, reply.headers['content-type']);
    if (this.#kind === 'text') return this.#answerTo(reply.body);
    const lines = reply.body.toString('utf8').split('\n');
    return this.#answerWith(
      `"output":[${lines
        .filter((line) => line.trim() !== '')
        .map(checkedValue)
        .join(',')}]`,
    );
  }

  protected capturedInput(): WireBody {
    return { contentType: json, body: this.body };
  }

  /** The status of a stream that has begun can no longer change: the last event reports the error. */
  protected fail(error: PlatformError): void {
    const { response } = this.#call;
    if (!response.headersSent) return sendFailure(this.#call, error, !this.hasBody);
    if (this.#form === 'events') response.end(serverSentEvent(JSON.stringify({ error: error.message }), 'error'));
    else response.destroy(); // so that the client does not take a partial response for a complete one
  }
}

/** Throws `unsupported` for bytes, which JSON cannot represent. */
function checkedKind({ endpoint }: ServedRoute, contentType: string | undefined): PieceKind {
  const kind = pieceKind(contentType);
  if (kind !== 'bytes') return kind;
  const cure = `use POST /api/v1/endpoints/${endpoint}/invoke`;
  throw new PlatformError('unsupported', `model '${endpoint}' responds with ${contentType ?? 'bytes'}, expected texts or JSON; ${cure}`);
}

/** A line of JSON without spaces around it. Throws `model_failed`. */
function checkedValue(line: string): string {
  const value = line.trim();
  try {
    checkedJson(value, 'a value of the stream');
  } catch (error) {
    throw new PlatformError('model_failed', messageOf(error), { cause: error });
  }
  return value;
}
