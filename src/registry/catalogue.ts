/** The ready models that ship with the product: `catalogue.json` and the files beside it. */
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../errors.ts';
import type { TensorSpec } from '../tensor.ts';

export interface CatalogueEntry {
  /** `digits-mlp`; also the name of the group it is registered in. */
  readonly name: string;
  readonly title: string;
  /** The model file, beside `catalogue.json`. */
  readonly file: string;
  /** Rows to try it with: a CSV file with a header line, beside `catalogue.json`. */
  readonly sampleRows: string;
  /** The column of `sampleRows` that holds the truth; the others are the input, in order. */
  readonly labelColumn: string;
  /** What the classes are called, where the model gives numbers. */
  readonly labels?: readonly string[];
  readonly input: TensorSpec;
  /** Of the shipped file, on rows it was never trained on. */
  readonly accuracy: { readonly value: number; readonly rows: number; readonly dataset: string };
  readonly licence: { readonly weights: string; readonly data: string };
  /** A promise that it keeps easily, to begin with: `p95<=50ms`. */
  readonly objective: string;
  /** Markdown. */
  readonly card: string;
}

export class Catalogue {
  readonly entries: readonly CatalogueEntry[];
  readonly #directory: string;

  /** Reads `catalogue.json`; it is part of the product, so a broken one is our own mistake. */
  constructor(directory: string) {
    this.#directory = directory;
    const entries: unknown = JSON.parse(readFileSync(join(directory, 'catalogue.json'), 'utf8'));
    assert(Array.isArray(entries) && entries.every(isEntry), `${directory}/catalogue.json is not a list of catalogue entries`);
    this.entries = entries;
  }

  /** Throws `not_found`. */
  entry(name: string): CatalogueEntry {
    const entry = this.entries.find((candidate) => candidate.name === name.toLowerCase());
    if (entry !== undefined) return entry;
    const known = this.entries.map((candidate) => candidate.name).join(', ');
    throw new PlatformError('not_found', `the catalogue has no model '${name}': it has ${known}`);
  }

  model(entry: CatalogueEntry): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.#directory, entry.file));
  }

  /** The path of the CSV file with rows to try. */
  sampleRowsPath(entry: CatalogueEntry): string {
    return join(this.#directory, entry.sampleRows);
  }
}

function isEntry(entry: unknown): entry is CatalogueEntry {
  const texts = ['name', 'title', 'file', 'sampleRows', 'labelColumn', 'objective', 'card'];
  const parts = ['input', 'accuracy', 'licence'];
  if (typeof entry !== 'object' || entry === null) return false;
  const fields = entry as Record<string, unknown>;
  return texts.every((key) => typeof fields[key] === 'string') && parts.every((key) => typeof fields[key] === 'object');
}
