/** Encodes the outputs of an invocation's parts as one response: the response side of the built-in worker. */
import { encodeResponse, invalidRequest, type ModelPlan, npyFile, predictionsCsv, predictionTexts } from '../../codecs/index.ts';
import { type InvocationPart, PartTexts } from '../../serving/index.ts';
import { rowCount, type Tensor } from '../../tensor.ts';
import type { DecodedBody, Document } from './decode-body.ts';
import { csv, json, jsonLines, jsonSize, npy, octetStream } from './media-type.ts';
import type { ReplyForm } from './reply-form.ts';

/** A response body and its type. */
export interface EncodedBody {
  readonly contentType: string;
  readonly body: string | Buffer;
}

/** The result of one part whose rows are not text, stored until all parts have arrived. */
interface Piece {
  /** Its rows as a JSON line needs them, else null. */
  readonly text: string | null;
  readonly outputs: readonly Tensor[];
  readonly rows: number;
}

/** Collects the parts of one invocation in their order; they can end in any order. */
export class InvocationResponse {
  readonly #plan: ModelPlan;
  readonly #decoded: DecodedBody;
  readonly #parts: readonly InvocationPart[];
  readonly #pieces: Piece[] = [];
  /** The results, if the response's rows are text. */
  readonly #texts: PartTexts | null;

  constructor(plan: ModelPlan, decoded: DecodedBody, parts: readonly InvocationPart[]) {
    this.#plan = plan;
    this.#decoded = decoded;
    this.#parts = parts;
    const { documents, reply } = decoded;
    const isText = (documents[0] as Document).request === null && [json, csv].includes(reply.type);
    this.#texts = isText || this.#rowReply !== undefined ? new PartTexts(parts.length) : null;
  }

  /** Parts may arrive in any order. The outputs of a single part are not copied: call `encode` before their memory is reused. */
  addPart(part: number, outputs: readonly Tensor[], rows: number): void {
    if (this.#texts !== null) this.#texts.set(part, this.#rowsText(this.#decoded.reply.type, outputs, rows));
    else this.#pieces[part] = { text: null, outputs: this.#parts.length === 1 ? outputs : outputs.map(copied), rows };
  }

  /** Call after all parts were added. Throws `invalid_request` if the format cannot represent an output. */
  encode(): EncodedBody {
    const { documents, reply } = this.#decoded;
    if (this.#texts !== null) return this.#encodeTexts(this.#texts);
    if (reply.type !== jsonLines) return encodeDocument(this.#plan, documents[0] as Document, reply, this.#pieces);
    let first = 0;
    let piece = 0;
    const lines = documents.map((document) => {
      const from = piece;
      first += document.invocations.length;
      while (piece < this.#parts.length && (this.#parts[piece] as InvocationPart).of < first) piece++;
      const pieces = this.#pieces.slice(from, piece);
      const texts = document.request === null ? pieces.map((each) => this.#withJson(each)) : pieces;
      return `${encodeDocument(this.#plan, document, { type: json, isRequested: true }, texts).body.toString()}\n`;
    });
    return { contentType: jsonLines, body: lines.join('') };
  }

  #encodeTexts(texts: PartTexts): EncodedBody {
    if (this.#rowReply === 'value') return { contentType: json, body: texts.joined('', '', '') };
    if (this.#rowReply === 'lines') return { contentType: jsonLines, body: texts.joined('', '\n', '\n') };
    if (this.#decoded.reply.type === csv) return { contentType: csv, body: texts.joined('', '', '') };
    return { contentType: json, body: texts.joined('{"predictions":[', ',', ']}') };
  }

  /** How rows of JSON are answered; undefined for other models, and for their `instances`. */
  get #rowReply(): 'value' | 'lines' | undefined {
    return this.#decoded.documents[0]?.invocations[0]?.reply;
  }

  #withJson(piece: Piece): Piece {
    return { ...piece, text: this.#rowsText(json, piece.outputs, piece.rows) };
  }

  /** Rows as elements of a JSON array without its brackets, as JSON lines, or as CSV lines. */
  #rowsText(type: string, outputs: readonly Tensor[], rows: number): string {
    if (type === csv) return predictionsCsv(outputs, rows);
    const texts = predictionTexts(outputs, rows, this.#plan.signature.outputs);
    return texts.join(this.#rowReply === 'lines' ? '\n' : ',');
  }
}

function copied(tensor: Tensor): Tensor {
  return { ...tensor, data: new Uint8Array(tensor.data) };
}

function encodeDocument(plan: ModelPlan, { request }: Document, { type }: ReplyForm, pieces: readonly Piece[]): EncodedBody {
  if (request === null && type === json) {
    return { contentType: json, body: `{"predictions":[${pieces.map(({ text }) => text).join(',')}]}` };
  }
  // From here on rows are not text: whole tensors are encoded.
  const tensors = pieces.length === 1 ? (pieces[0] as Piece).outputs : joined(pieces);
  const outputs = request?.outputs ?? plan.allBinary;
  const chosen = outputs.map(({ index }) => tensors[index] as Tensor);
  const [first] = chosen as [Tensor];
  if (type === csv) return { contentType: csv, body: predictionsCsv(chosen, rowCount(first.shape)) };
  if (type === npy) return { contentType: npy, body: npyFile(first) };
  const { json: text, binary } = encodeResponse(plan, { id: request?.id, outputs }, tensors);
  if (binary === null && type === json) return { contentType: json, body: text };
  const size = Buffer.byteLength(text);
  return {
    contentType: `${type === json ? octetStream : type};${jsonSize}=${size}`,
    body: Buffer.concat([Buffer.from(text), ...(binary ?? [])]),
  };
}

/** Concatenates outputs whose first dimension is the rows; stacks the others, one entry per part. */
function joined(pieces: readonly Piece[]): Tensor[] {
  const [first] = pieces as readonly [Piece, ...Piece[]];
  return first.outputs.map(({ name, datatype }, index) => {
    const all = pieces.map(({ outputs, rows }) => ({ rows, tensor: outputs[index] as Tensor }));
    const countsRows = all.every(({ rows, tensor }) => tensor.shape.length > 0 && rowCount(tensor.shape) === rows);
    const inner = all.map(({ tensor }) => tensor.shape.slice(countsRows ? 1 : 0));
    if (inner.some((shape) => shape.join() !== inner[0]?.join())) {
      throw invalidRequest(`the rows of output '${name}' differ in shape: expected equal shapes for one tensor. Set Accept to ${json}.`);
    }
    const rows = countsRows ? all.reduce((sum, each) => sum + each.rows, 0) : all.length;
    return { name, datatype, shape: [rows, ...(inner[0] ?? [])], data: Buffer.concat(all.map(({ tensor }) => tensor.data)) };
  });
}
