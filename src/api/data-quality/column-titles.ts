/** Maps the positional features of a model to the column titles of a CSV header. */
import { csvHeader, indexOfName } from '../../codecs/index.ts';
import type { Signature } from '../../tensor.ts';

/** A longer first line is not taken as a header. */
const headerBytesMax = 256 * 1024;

/** Title by feature, for example `x[0]` to `mean radius`. Empty without a header, or if the model has several inputs (the header then names those). */
export function columnTitles(
  signature: Signature,
  contentType: string | undefined,
  body: Buffer,
  label: string | undefined,
): Readonly<Record<string, string>> {
  const [input, ...others] = signature.inputs;
  if (input === undefined || others.length > 0 || contentType?.split(';', 1)[0]?.trim().toLowerCase() !== 'text/csv') return {};
  const head = body.subarray(0, headerBytesMax);
  const end = head.indexOf('\n');
  if (end === -1 && head.length < body.length) return {};
  const header = csvHeader(signature, head.toString('utf8', 0, end === -1 ? head.length : end), label);
  if (header === null) return {};
  const labelIndex = label === undefined ? -1 : indexOfName(label, header);
  const columns = header.filter((_, index) => index !== labelIndex);
  return Object.fromEntries(columns.map((title, index) => [`${input.name}[${index}]`, title]));
}
