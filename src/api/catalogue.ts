/** Routes of the models that come with the product. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { CatalogueEntry } from '../registry/index.ts';
import { type CatalogueBody, catalogueBody, catalogueEntryBody, registeredBody } from './bodies.ts';
import { versionBodyOf } from './groups.ts';
import { given } from './parameters.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

const path = z.strictObject({ name: z.string() });

export function catalogueRoutes({ registry }: ApiServices): Route[] {
  const { catalogue } = registry;
  return [
    route('GET /catalogue', {
      summary: 'List the models that come with Penstock',
      answer: z.strictObject({ items: z.array(catalogueBody) }),
      handle: () => ({ items: catalogue.entries.map(catalogueBodyOf) }),
    }),
    route('GET /catalogue/:name', {
      summary: 'Show the card of a model, and rows to try it with',
      params: path,
      answer: catalogueEntryBody,
      handle: async ({ params }) => {
        const entry = catalogue.entry(params.name);
        const rows = await readFile(catalogue.sampleRowsPath(entry), 'utf8');
        return { ...catalogueBodyOf(entry), card: entry.card, sample_rows: rows, label_column: entry.labelColumn };
      },
    }),
    route('POST /catalogue/:name/register', {
      summary: 'Register a model of the catalogue',
      description: 'In the group of its own name, unless another is given; the same bytes again are the same version.',
      params: path,
      body: z.strictObject({ group: z.string().optional() }),
      answer: registeredBody,
      status: 201,
      handle: async ({ params, body: { group }, caller }) => {
        const { version, reused } = await registry.registerFromCatalogue(params.name, { who: caller.keyId, ...given({ group }) });
        return { version: versionBodyOf(version), reused };
      },
    }),
  ];
}

function catalogueBodyOf({ name, title, input, labels, accuracy, licence, objective }: CatalogueEntry): CatalogueBody {
  const { value, rows, dataset } = accuracy;
  const { weights, data } = licence;
  return {
    name,
    title,
    input: { ...input, shape: [...input.shape] },
    labels: labels === undefined ? null : [...labels],
    accuracy: { value, rows, dataset },
    licence: { weights, data },
    objective,
  };
}
