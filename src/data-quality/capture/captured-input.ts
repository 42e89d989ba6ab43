/** The input in a line of a capture file. Pure. */
import { type JsonLimits, parseJsonWithin } from '../../codecs/index.ts';

/** The input of a captured call, to be sent again. */
export interface CapturedInput {
  readonly variant: string;
  readonly contentType: string;
  readonly body: Buffer;
  /** Under which labels are posted: the client's id of the inference, else the id of the request. */
  readonly inferenceId: string;
  /** Epoch milliseconds, in whole seconds. */
  readonly atMs: number;
}

interface Line {
  readonly captureData?: {
    readonly endpointInput?: { readonly observedContentType?: unknown; readonly data?: unknown; readonly encoding?: unknown };
  };
  readonly eventMetadata?: { readonly inferenceTime?: unknown; readonly inferenceId?: unknown; readonly eventId?: unknown };
}

/** Two bodies of at most 4 MiB, in base 64 or with escaped characters. Clients may write objects among the files. */
const lineLengthMax = 24 * 2 ** 20;
const lineLimits: JsonLimits = { depthMax: 16, valuesMax: 200, nodesMax: 200 };

/** Null for a line without an input, and for one that is malformed or longer than those of captures. */
export function capturedInput(line: string, variant: string): CapturedInput | null {
  if (line.length > lineLengthMax || line.trim() === '') return null;
  let parsed: Line;
  try {
    parsed = parseJsonWithin(line, lineLimits) as Line;
  } catch {
    return null;
  }
  const { observedContentType: contentType, data, encoding } = parsed?.captureData?.endpointInput ?? {};
  const { inferenceTime, inferenceId, eventId } = parsed?.eventMetadata ?? {};
  const atMs = Date.parse(String(inferenceTime));
  if (typeof contentType !== 'string' || typeof data !== 'string' || Number.isNaN(atMs)) return null;
  const body = Buffer.from(data, encoding === 'BASE64' ? 'base64' : 'utf8');
  const id = inferenceId ?? eventId;
  return { variant, contentType, body, inferenceId: typeof id === 'string' ? id : '', atMs };
}
