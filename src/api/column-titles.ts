/** What the header of a CSV calls the features of a model that only knows them by their places. */
import { csvHeader, placeOfName } from '../codecs/index.ts';
import type { Signature } from '../tensor.ts';

/** By feature: `x[0]` is `mean radius`. Empty where the body has no header, or the model several inputs, which the header then names. */
export function columnTitles(
  signature: Signature,
  contentType: string | undefined,
  body: Buffer,
  label: string | undefined,
): Readonly<Record<string, string>> {
  const [input, ...others] = signature.inputs;
  if (input === undefined || others.length > 0 || contentType?.split(';', 1)[0]?.trim().toLowerCase() !== 'text/csv') return {};
  const end = body.indexOf('\n');
  const header = csvHeader(signature, body.toString('utf8', 0, end === -1 ? body.length : end), label);
  if (header === null) return {};
  const left = label === undefined ? -1 : placeOfName(label, header);
  const columns = header.filter((_, place) => place !== left);
  return Object.fromEntries(columns.map((title, place) => [`${input.name}[${place}]`, title]));
}
