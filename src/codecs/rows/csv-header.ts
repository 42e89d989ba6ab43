/** The header of a CSV: the names of its columns, and the inputs they belong to. */
import { PlatformError } from '../../errors.ts';
import type { TensorSpec } from '../../tensor.ts';

/** Spaces around a name, and quotes after such a space, are not part of it. */
export function headerNames(cells: readonly string[]): readonly string[] {
  return cells.map((cell) => {
    const name = cell.trim();
    return /^".+"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"').trim() : name;
  });
}

/** Index of the name, ignoring case unless two names differ only in case; -1 for none. */
export function indexOfName(name: string, names: readonly string[]): number {
  const exact = names.indexOf(name);
  if (exact !== -1) return exact;
  const key = keyOf(name);
  const alike = names.flatMap((each, place) => (keyOf(each) === key ? [place] : []));
  return alike.length === 1 ? (alike[0] as number) : -1;
}

function keyOf(name: string): string {
  return name.trim().toLowerCase();
}

/**
 * Assigns the columns under a header to several inputs. Inputs of one column are found by name, in any order. If an input takes several
 * columns, which have no names, all inputs must be in the order of the model. Throws `invalid_request` for an ambiguous header, because
 * assigning columns by position would be a guess.
 *
 * @param widths number of columns of each input
 * @param columns input columns, as positions in the header
 */
export function columnsByName(
  inputs: readonly TensorSpec[],
  widths: readonly number[],
  header: readonly string[],
  columns: readonly number[],
  hint: string,
): number[][] {
  const wanted = inputs.filter((_, index) => widths[index] === 1).map(({ name }) => name);
  const found = wanted.map((): number[] => []);
  const unknown: string[] = [];
  for (const column of columns) {
    const place = indexOfName(header[column] as string, wanted);
    if (place === -1) unknown.push(header[column] as string);
    else found[place]?.push(column);
  }
  const isWhole = wanted.length === inputs.length;
  const missing = wanted.filter((_, place) => found[place]?.length === 0);
  const twice = wanted.filter((_, place) => (found[place]?.length ?? 0) > 1);
  if (missing.length === wanted.length) {
    throw refusal(
      `the header (${formatNames(columns.map((column) => header[column] as string))}) names none of the model's inputs`,
      inputs,
      widths,
    );
  }
  if (missing.length + twice.length > 0 || (isWhole && unknown.length > 0)) {
    const faults = [
      ...[missing].filter(({ length }) => length > 0).map((names) => `missing: ${formatNames(names)}`),
      ...[twice].filter(({ length }) => length > 0).map((names) => `more than once: ${formatNames(names)}`),
      ...[unknown].filter(({ length }) => isWhole && length > 0).map((names) => `not known: ${formatNames(names)}`),
    ];
    const isStray = missing.length + twice.length === 0;
    const what = isStray ? "the header names more than the model's inputs" : "the header does not name all of the model's inputs once";
    throw refusal(`${what} (${faults.join('; ')})`, inputs, widths, isStray ? hint : undefined);
  }
  if (isWhole) return found;
  let at = 0;
  return inputs.map(({ name }, index) => {
    const width = widths[index] as number;
    const taken = columns.slice(at, at + width);
    at += width;
    if (width === 1 && found[wanted.indexOf(name)]?.[0] !== taken[0]) {
      throw refusal(`the header has '${name}' in another place than the model`, inputs, widths);
    }
    return taken;
  });
}

function refusal(what: string, inputs: readonly TensorSpec[], widths: readonly number[], hint?: string): PlatformError {
  const order = inputs.map(({ name }, index) => (widths[index] === 1 ? name : `${name}: ${widths[index]} columns`));
  const isNamed = widths.every((width) => width === 1);
  const cure = isNamed ? 'name its columns so, in any order, or have them in this one without a header' : 'its columns stand in this order';
  return new PlatformError('invalid_request', `${what}: it takes ${formatNames(order)}; ${cure}`, hint === undefined ? {} : { hint });
}

const shownMax = 10;

/** Formats the first names, which are enough to recognise the file. */
export function formatNames(names: readonly string[]): string {
  const shown = names.slice(0, shownMax).map((name) => name.slice(0, 60));
  return shown.join(', ') + (names.length > shown.length ? `, … (${names.length} in all)` : '');
}
