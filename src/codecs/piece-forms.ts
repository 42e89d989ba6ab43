/** The forms of a stream of values: each piece is one value, a text or a line of JSON. Pure. */

/** `events`: server-sent events. `lines`: a line of JSON for each value. */
export type StreamForm = 'events' | 'lines';
/** What a piece of a stream is, by the content type of its head. */
export type PieceKind = 'text' | 'json' | 'bytes';

/** The content type of a stream by its form. */
export const streamTypes: Readonly<Record<StreamForm, string>> = {
  events: 'text/event-stream; charset=utf-8',
  lines: 'application/jsonlines',
};

const formsByType: Readonly<Record<string, StreamForm>> = {
  'text/event-stream': 'events',
  'application/jsonlines': 'lines',
  'application/jsonl': 'lines',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
};

/** The form that a client accepts; null if it names none: pieces are then sent as they are. */
export function streamForm(accept: string | undefined): StreamForm | null {
  for (const range of (accept ?? '').split(',')) {
    const type = mediaType(range);
    if (Object.hasOwn(formsByType, type)) return formsByType[type] as StreamForm;
  }
  return null;
}

/** What the pieces of a reply of this content type are. Events of the model's own are bytes: they are complete. */
export function pieceKind(contentType: string | undefined): PieceKind {
  const type = mediaType(contentType ?? '');
  if (formsByType[type] === 'lines') return 'json';
  return type.startsWith('text/') && type !== 'text/event-stream' ? 'text' : 'bytes';
}

function mediaType(header: string): string {
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** One value in a form. `kind`: what its bytes are. */
export function formattedPiece(form: StreamForm, kind: 'text' | 'json', bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (form === 'events') return Buffer.from(serverSentEvent(kind === 'json' ? text.trim() : text));
  return Buffer.from(kind === 'json' ? text : `${JSON.stringify(text)}\n`);
}

/** A server-sent event: each line of its data has its own field. */
export function serverSentEvent(data: string, event?: string): string {
  const fields = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `${event === undefined ? '' : `event: ${event}\n`}${fields.join('')}\n`;
}
