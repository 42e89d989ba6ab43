/** The outputs of an invocation's parts into its answer: the reply side of the built-in worker. */
import { encodeResponse, invalid, type ModelPlan, npyFile, predictionsCsv, predictionsJson } from '../../codecs/index.ts';
import type { Part } from '../../serving/index.ts';
import { rowCount, type Tensor } from '../../tensor.ts';
import type { DecodedBody, Document } from './decode-body.ts';
import { csv, json, jsonLines, jsonSize, npy, octets } from './media-type.ts';
import type { ReplyForm } from './reply-form.ts';

export interface EncodedAnswer {
  readonly contentType: string;
  readonly body: string | Buffer;
}

/** What a part gave, kept until the others have come. */
interface Piece {
  /** Its rows in the form of the reply, where that is text; else null. */
  readonly text: string | null;
  readonly outputs: readonly Tensor[];
  readonly rows: number;
}

export class Answer {
  readonly #plan: ModelPlan;
  readonly #decoded: DecodedBody;
  readonly #parts: readonly Part[];
  readonly #pieces: Piece[] = [];

  constructor(plan: ModelPlan, decoded: DecodedBody, parts: readonly Part[]) {
    this.#plan = plan;
    this.#decoded = decoded;
    this.#parts = parts;
  }

  /** The outputs of a part; where it is the only one they are used before this moment has passed. */
  take(part: number, outputs: readonly Tensor[], rows: number): void {
    const { documents, reply } = this.#decoded;
    const isText = (documents[0] as Document).request === null && [json, csv].includes(reply.type);
    if (isText) this.#pieces[part] = { text: rowsText(reply.type, outputs, rows), outputs: [], rows };
    else this.#pieces[part] = { text: null, outputs: this.#parts.length === 1 ? outputs : outputs.map(copied), rows };
  }

  /** All parts have been taken. Throws `invalid_request` where the form cannot carry an output. */
  encode(): EncodedAnswer {
    const { documents, reply } = this.#decoded;
    if (reply.type !== jsonLines) return encodeDocument(this.#plan, documents[0] as Document, reply, this.#pieces);
    let first = 0;
    let piece = 0;
    const lines = documents.map((document) => {
      const from = piece;
      first += document.invocations.length;
      while (piece < this.#parts.length && (this.#parts[piece] as Part).of < first) piece++;
      const pieces = this.#pieces.slice(from, piece);
      const texts = document.request === null ? pieces.map(withJson) : pieces;
      return `${encodeDocument(this.#plan, document, { type: json, isAsked: true }, texts).body.toString()}\n`;
    });
    return { contentType: jsonLines, body: lines.join('') };
  }
}

function withJson(piece: Piece): Piece {
  return { ...piece, text: rowsText(json, piece.outputs, piece.rows) };
}

/** Rows as elements of a JSON array, or as lines. */
function rowsText(type: string, outputs: readonly Tensor[], rows: number): string {
  return type === csv ? predictionsCsv(outputs, rows) : predictionsJson(outputs, rows).slice(1, -1);
}

function copied(tensor: Tensor): Tensor {
  return { ...tensor, data: new Uint8Array(tensor.data) };
}

function encodeDocument(plan: ModelPlan, { request }: Document, { type }: ReplyForm, pieces: readonly Piece[]): EncodedAnswer {
  if (request === null && type === json) {
    return { contentType: json, body: `{"predictions":[${pieces.map(({ text }) => text).join(',')}]}` };
  }
  if (request === null && type === csv) return { contentType: csv, body: pieces.map(({ text }) => text).join('') };
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
    contentType: `${type === json ? octets : type};${jsonSize}=${size}`,
    body: Buffer.concat([Buffer.from(text), ...(binary ?? [])]),
  };
}

/** Outputs that count rows follow each other; others are stacked, a part each. */
function joined(pieces: readonly Piece[]): Tensor[] {
  const [first] = pieces as readonly [Piece, ...Piece[]];
  return first.outputs.map(({ name, datatype }, index) => {
    const all = pieces.map(({ outputs, rows }) => ({ rows, tensor: outputs[index] as Tensor }));
    const countsRows = all.every(({ rows, tensor }) => tensor.shape.length > 0 && rowCount(tensor.shape) === rows);
    const inner = all.map(({ tensor }) => tensor.shape.slice(countsRows ? 1 : 0));
    if (inner.some((shape) => shape.join() !== inner[0]?.join())) {
      throw invalid(`the rows of output '${name}' differ in shape, which one tensor cannot carry: accept ${json}`);
    }
    const rows = countsRows ? all.reduce((sum, each) => sum + each.rows, 0) : all.length;
    return { name, datatype, shape: [rows, ...(inner[0] ?? [])], data: Buffer.concat(all.map(({ tensor }) => tensor.data)) };
  });
}
