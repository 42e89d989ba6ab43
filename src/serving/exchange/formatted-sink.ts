/** Sends the values of a streaming model in the form that its client accepts. */
import { formattedPiece, type PieceKind, pieceKind, type StreamForm, serverSentEvent, streamTypes } from '../../codecs/index.ts';
import type { PlatformError } from '../../errors.ts';
import type { ReplyHead, ReplySink } from '../../runtime/index.ts';

/** The content type of the reply's head decides: bytes pass unchanged, values are formatted. */
export class FormattedSink implements ReplySink {
  readonly #sink: ReplySink;
  readonly #form: StreamForm;
  #kind: PieceKind = 'bytes';

  /** Pieces that are bytes of the model's own form are passed on unchanged. */
  constructor(sink: ReplySink, form: StreamForm) {
    this.#sink = sink;
    this.#form = form;
  }

  begin(head: ReplyHead): void {
    this.#kind = pieceKind(head.headers['content-type']);
    if (this.#kind === 'bytes') return this.#sink.begin(head);
    this.#sink.begin({ ...head, headers: { ...head.headers, 'content-type': streamTypes[this.#form] } });
  }

  piece(bytes: Buffer): Promise<void> | void {
    return this.#sink.piece(this.#kind === 'bytes' ? bytes : formattedPiece(this.#form, this.#kind, bytes));
  }

  /** The last event of a stream that failed; null if its form has none, so that the connection must be closed instead. */
  failure({ code, message }: PlatformError): Buffer | null {
    if (this.#form !== 'events' || this.#kind === 'bytes') return null;
    return Buffer.from(serverSentEvent(JSON.stringify({ code, error: message }), 'error'));
  }
}
