/** Routes of the catalogue: models that ship with Penstock. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { defined } from '../../defined.ts';
import type { CatalogueEntry } from '../../registry/index.ts';
import { type CatalogueBody, catalogueBody, catalogueEntryBody, registeredBody } from '../bodies.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { versionBodyOf } from './groups.ts';
import { tensorBodyOf } from './signature-body.ts';

const path = z.strictObject({ name: z.string() });

export function catalogueRoutes({ registry }: Pick<ApiServices, 'registry'>): ApiRoute[] {
  const { catalogue } = registry;
  return [
    apiRoute('GET /catalogue', {
      summary: 'List the models that ship with Penstock',
      answer: z.strictObject({ items: z.array(catalogueBody) }),
      handle: () => ({ items: catalogue.entries.map(catalogueBodyOf) }),
    }),
    apiRoute('GET /catalogue/:name', {
      summary: 'Get the model card and sample rows of a catalogue model',
      params: path,
      answer: catalogueEntryBody,
      handle: async ({ params }) => {
        const entry = catalogue.entry(params.name);
        const rows = await readFile(catalogue.sampleRowsPath(entry), 'utf8');
        return { ...catalogueBodyOf(entry), card: entry.card, sample_rows: rows, label_column: entry.labelColumn };
      },
    }),
    apiRoute('POST /catalogue/:name/register', {
      summary: 'Register a catalogue model',
      description: 'Default group: the name of the model. Registering the same bytes again returns the existing version.',
      params: path,
      body: z.strictObject({ group: z.string().optional() }),
      answer: registeredBody,
      status: 201,
      handle: async ({ params, body: { group }, caller }) => {
        const { version, reused } = await registry.registerFromCatalogue(params.name, { who: caller.keyId, ...defined({ group }) });
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
    input: tensorBodyOf(input),
    labels: labels === undefined ? null : [...labels],
    accuracy: { value, rows, dataset },
    licence: { weights, data },
    objective,
  };
}
