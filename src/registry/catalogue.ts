/** The ready models that ship with the product: `catalogue.json` and the files in its folder. */
import assert from 'node:assert/strict';
import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../errors.ts';
import type { TensorSpec } from '../tensor.ts';

/** A row of `catalogue.json`. */
export interface CatalogueEntry {
  /** `digits-mlp`; also the name of the group it is registered in. */
  readonly name: string;
  readonly title: string;
  /** The model file, in the folder of `catalogue.json`. */
  readonly file: string;
  /** Sample rows: a CSV file with a header line, in the folder of `catalogue.json`. */
  readonly sampleRows: string;
  /** The label column of `sampleRows`; the others are inputs, in order. */
  readonly labelColumn: string;
  /** Class names, if the model returns numbers. */
  readonly labels?: readonly string[];
  readonly input: TensorSpec;
  /** Accuracy of the shipped file on held-out rows. */
  readonly accuracy: { readonly value: number; readonly rows: number; readonly dataset: string };
  readonly licence: { readonly weights: string; readonly data: string };
  /** A default objective that the model meets easily: `p95<=50ms`. */
  readonly objective: string;
  /** Model card, in Markdown. */
  readonly card: string;
}

/** Read once, when it is created: it is a part of the product, and does not change while a server runs. */
export class Catalogue {
  readonly entries: readonly CatalogueEntry[];
  readonly #directory: string;

  /** Reads `catalogue.json`. It is part of the product, so an invalid file fails an assertion. */
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

  /** Path of the CSV file with sample rows. */
  sampleRowsPath(entry: CatalogueEntry): string {
    return join(this.#directory, entry.sampleRows);
  }
}

/** Whether the required fields are present and have the right types; other fields are not checked. */
function isEntry(entry: unknown): entry is CatalogueEntry {
  const texts = ['name', 'title', 'file', 'sampleRows', 'labelColumn', 'objective', 'card'];
  const parts = ['input', 'accuracy', 'licence'];
  if (typeof entry !== 'object' || entry === null) return false;
  const fields = entry as Record<string, unknown>;
  return texts.every((key) => typeof fields[key] === 'string') && parts.every((key) => typeof fields[key] === 'object');
}
