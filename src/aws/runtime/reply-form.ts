/** Chooses the format of a response: the request's own, or the one that `Accept` names. */
import { csv, json, jsonLines, type MediaType, MediaTypeError, npy, octetStream, parseMediaType, tritonBinary } from './media-type.ts';

/** The format of a response. */
export interface ReplyForm {
  readonly type: string;
  /** `Accept` named it, at least partly. It then overrides the output formats in the request's body. */
  readonly isRequested: boolean;
}

const supportedTypes = [json, csv, npy, octetStream, tritonBinary];

/** `requestType` is the detected media type of the body, `supported` the types of responses. Throws `MediaTypeError` 406. */
export function replyForm(accept: string | undefined, requestType: string, supported: readonly string[] = supportedTypes): ReplyForm {
  if (accept === undefined || accept === '' || accept === '*/*') return { type: requestType, isRequested: false };
  const types = requestType === jsonLines ? [jsonLines] : [requestType, ...supported.filter((type) => type !== requestType)];
  for (const { type: range } of rangesOf(accept)) {
    if (range === '*/*') return { type: requestType, isRequested: false };
    const isWhole = !range.endsWith('/*');
    const type = types.find((each) => (isWhole ? each === range : each.startsWith(range.slice(0, -1))));
    if (type !== undefined) return { type, isRequested: true };
  }
  throw new MediaTypeError(406, `unsupported Accept '${accept.slice(0, 200)}': expected one of ${types.join(', ')}`);
}

/** The accepted media ranges by quality, highest first. */
function rangesOf(accept: string): MediaType[] {
  const ranges = accept.split(',').map(parseMediaType);
  if (ranges.length === 1) return ranges;
  const qualityOf = ({ parameters: { q = '1' } }: MediaType): number => Number(q) || 0;
  return ranges.filter((range) => qualityOf(range) > 0).sort((a, b) => qualityOf(b) - qualityOf(a));
}
