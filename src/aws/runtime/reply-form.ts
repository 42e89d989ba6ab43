/** In which form an invocation is answered: the request's own, or another that `Accept` asks for. */
import { csv, json, jsonLines, type MediaType, npy, octets, parseMediaType, tritonBinary } from './media-type.ts';
import { TypeRefusal } from './type-refusal.ts';

export interface ReplyForm {
  readonly type: string;
  /** The client named it, or a part of it: then outputs follow it, whatever the request's body says of them. */
  readonly isAsked: boolean;
}

const written = [json, csv, npy, octets, tritonBinary];

/** `requestType` is the media type of the body as it was read. Throws `TypeRefusal` 406. */
export function replyForm(accept: string | undefined, requestType: string): ReplyForm {
  if (accept === undefined || accept === '' || accept === '*/*') return { type: requestType, isAsked: false };
  const types = requestType === jsonLines ? [jsonLines] : [requestType, ...written.filter((type) => type !== requestType)];
  for (const { type: range } of rangesOf(accept)) {
    if (range === '*/*') return { type: requestType, isAsked: false };
    const isWhole = !range.endsWith('/*');
    const type = types.find((each) => (isWhole ? each === range : each.startsWith(range.slice(0, -1))));
    if (type !== undefined) return { type, isAsked: true };
  }
  throw new TypeRefusal(406, `the answer cannot be given as '${accept.slice(0, 200)}': accept one of ${types.join(', ')}`);
}

/** What is accepted, the best liked first. */
function rangesOf(accept: string): MediaType[] {
  const ranges = accept.split(',').map(parseMediaType);
  if (ranges.length === 1) return ranges;
  const qualityOf = ({ parameters: { q = '1' } }: MediaType): number => Number(q) || 0;
  return ranges.filter((range) => qualityOf(range) > 0).sort((a, b) => qualityOf(b) - qualityOf(a));
}
