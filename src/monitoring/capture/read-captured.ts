/** Reads captured calls back: the inputs of an endpoint between two times, wherever its files are. */

export interface CapturedInput {
  readonly variant: string;
  readonly contentType: string;
  readonly body: Buffer;
}

export interface CaptureReader {
  /** Keys that begin so, in order, after `after`; at most 1,000. */
  readonly list: (bucket: string, prefix: string, after: string | null) => Promise<readonly string[]>;
  /** null where it is gone. */
  readonly read: (bucket: string, key: string) => Promise<Buffer | null>;
}

export interface CapturedSpan {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string;
  readonly fromMs: number;
  readonly toMs: number;
}

const hourMs = 3_600_000;
/** Enough for any baseline. */
const callsMax = 10_000;
const filesMax = 10_000;

/** At most 10,000 calls, the first ones of each file; what is redacted or broken is passed over. */
export async function* readCaptured(reader: CaptureReader, span: CapturedSpan): AsyncGenerator<CapturedInput> {
  const folder = [span.prefix, span.endpoint, ''].filter((part, i) => part !== '' || i === 2).join('/');
  const keys: string[] = [];
  for (let after: string | null = null; keys.length < filesMax; ) {
    const page = await reader.list(span.bucket, folder, after);
    if (page.length === 0) break;
    keys.push(...page.filter((key) => isWithin(key, folder, span)));
    after = page.at(-1) as string;
  }
  const ofFile = Math.max(20, Math.ceil(callsMax / Math.max(keys.length, 1)));
  let calls = 0;
  for (const key of keys) {
    const [variant = ''] = key.slice(folder.length).split('/');
    const lines = (await reader.read(span.bucket, key))?.toString('utf8').split('\n') ?? [];
    let taken = 0;
    for (const line of lines) {
      const input = inputOf(line, variant, span);
      if (input === null) continue;
      yield input;
      if (++taken >= ofFile) break;
    }
    calls += taken;
    if (calls >= callsMax) return;
  }
}

/** Whether its hour touches the span. */
function isWithin(key: string, folder: string, { fromMs, toMs }: CapturedSpan): boolean {
  const [, year, month, day, hour] = /^[^/]+\/(\d{4})\/(\d\d)\/(\d\d)\/(\d\d)\/[^/]+\.jsonl$/.exec(key.slice(folder.length)) ?? [];
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
  return atMs < toMs && atMs + hourMs > fromMs;
}

interface Line {
  readonly captureData?: {
    readonly endpointInput?: { readonly observedContentType?: unknown; readonly data?: unknown; readonly encoding?: unknown };
  };
  readonly eventMetadata?: { readonly inferenceTime?: unknown };
}

function inputOf(line: string, variant: string, { fromMs, toMs }: CapturedSpan): CapturedInput | null {
  if (line.trim() === '') return null;
  let parsed: Line;
  try {
    parsed = JSON.parse(line) as Line;
  } catch {
    return null;
  }
  const { observedContentType: contentType, data, encoding } = parsed?.captureData?.endpointInput ?? {};
  const atMs = Date.parse(String(parsed?.eventMetadata?.inferenceTime));
  // Times are whole seconds in the files.
  if (typeof contentType !== 'string' || typeof data !== 'string' || !(atMs >= fromMs - 999 && atMs < toMs)) return null;
  return { variant, contentType, body: Buffer.from(data, encoding === 'BASE64' ? 'base64' : 'utf8') };
}
