/** Route that inspects a model file without registering it. */
import { z } from 'zod';
import { PlatformError } from '../../errors.ts';
import type { RecognisedModel } from '../../python-files/index.ts';
import { pythonFlavours, pythonForms } from '../../python-model.ts';
import type { Signature } from '../../tensor.ts';
import { importsBody, signatureBody } from '../bodies.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { importsBodyOf, uploadOf } from './groups.ts';
import { signatureBodyOf } from './signature-body.ts';

const recognisedBody = z.strictObject({
  flavour: z.enum(pythonFlavours).describe('The library that opens it, or the convention that its own code follows.'),
  form: z.enum(pythonForms).nullable().describe('How its function takes requests; null if only opening it shows that.'),
  entry: z.string().describe('Path of the file to open inside of the upload; empty for the folder itself.'),
  imports: importsBody,
  needs: z.array(z.string()).describe('Packages that it needs, as far as its files show.'),
  made_with: z.record(z.string(), z.string()).describe('Versions of packages that wrote the files.'),
  requirements: z.string().nullable().describe('Path of a requirements file: the model gets an environment of its own.'),
  columns: z.array(z.string()).nullable().describe('Columns of its rows by name.'),
});

export const previewBody = z.strictObject({
  sha256: z.string(),
  bytes: z.number(),
  signature: signatureBody,
  opsets: z.record(z.string(), z.number()),
  producer: z.string(),
  notes: z.array(z.string()).describe('Remarks about the file, such as an output that would be rewritten.'),
  batchable: z.boolean(),
  batchable_reason: z.string(),
  same_as: z.array(z.string()).describe('Existing versions with the same bytes.'),
  python: recognisedBody
    .nullable()
    .describe(
      'What the files of a Python model show. Its signature is as far as they show it, too: it is opened at its approval. Null for an ONNX model.',
    ),
});

export type PreviewBody = z.infer<typeof previewBody>;

export function modelPreviewRoutes({ registry }: Pick<ApiServices, 'registry'>): ApiRoute[] {
  return [
    apiRoute('POST /models/preview', {
      summary: 'Inspect a model file without registering it',
      description:
        'The body is a model file or an archive as for a registration; it is not stored. An ONNX model is opened in a worker. Of a Python ' +
        'model only the files are read: none of its code runs.',
      query: z.strictObject({ name: z.string().max(1024).optional().describe('The name of the file.') }),
      raw: ['application/octet-stream'],
      isUpload: true,
      answer: previewBody,
      handle: async ({ query: { name = 'model.onnx' }, request }) => {
        if (request.headers['content-encoding'] !== undefined) {
          throw new PlatformError('unsupported', 'content-encoding is not supported for model files: send the file unencoded');
        }
        const { source, inspection, recognised } = await registry.preview(uploadOf(request), name);
        const { opsets, producer, notes, batchable, batchableReason } = inspection;
        return {
          sha256: source.sha256,
          bytes: source.bytes,
          signature: signatureBodyOf(recognised === null ? inspection.signature : knownSignature(recognised)),
          opsets,
          producer,
          notes: [...notes],
          batchable,
          batchable_reason: batchableReason,
          same_as: [...(await registry.versionsOfSource(source.sha256))],
          python: recognised === null ? null : recognisedBodyOf(recognised),
        };
      },
    }),
  ];
}

function knownSignature({ inputs = [], outputs = [] }: RecognisedModel): Signature {
  return { inputs, outputs };
}

function recognisedBodyOf({ imports, columns, requirements, ...found }: RecognisedModel): PreviewBody['python'] {
  return {
    flavour: found.flavour,
    form: found.form,
    entry: found.entry,
    imports: importsBodyOf(imports),
    needs: [...found.libraries],
    made_with: found.madeWith,
    requirements: requirements ?? null,
    columns: columns === undefined ? null : [...columns],
  };
}
