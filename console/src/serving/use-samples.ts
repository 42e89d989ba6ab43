/** Sample rows of catalogue models. A version is recognized by its group, tags, metadata or file name. */
import { useQuery } from '@tanstack/react-query';
import type { VersionBody } from '../../../src/api/index.ts';
import { catalogueEntryQuery, catalogueQuery } from '../api/queries.ts';
import { type Csv, parseCsvText } from './csv.ts';

export interface Samples {
  readonly name: string;
  readonly text: string;
  readonly csv: Csv;
  readonly labels: readonly string[] | null;
}

/** Null while loading, or if there are none. */
export function useSamples({ group, signature, tags, metadata, source_name: source }: VersionBody): Samples | null {
  const catalogue = useQuery(catalogueQuery());
  const [input] = signature.inputs;
  const entry = catalogue.data?.items.find(
    ({ name, input: takes }) =>
      (name === group ||
        tags['catalogue'] === name ||
        metadata['catalogue'] === name ||
        source.replace(/\.onnx$/, '').replaceAll('_', '-') === name) &&
      takes.name === input?.name,
  );
  const { data } = useQuery({ ...catalogueEntryQuery(entry?.name ?? ''), enabled: entry !== undefined });
  if (data === undefined || entry === undefined) return null;
  return { name: `${entry.name} samples`, text: data.sample_rows, csv: parseCsvText(data.sample_rows), labels: data.labels };
}
