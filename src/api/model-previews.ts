/** The route that tells what a model file is, without registering it. */
import { z } from 'zod';
import { PlatformError } from '../errors.ts';
import { signatureBody } from './bodies.ts';
import { uploadOf } from './groups.ts';
import { type Route, route } from './route.ts';
import type { ApiServices } from './services.ts';

export const previewBody = z.strictObject({
  sha256: z.string(),
  bytes: z.number(),
  signature: signatureBody,
  opsets: z.record(z.string(), z.number()),
  producer: z.string(),
  notes: z.array(z.string()).describe('What to know about the file, such as an output that would be rewritten.'),
  batchable: z.boolean(),
  batchable_reason: z.string(),
  same_as: z.array(z.string()).describe('Versions that have the same bytes already.'),
});

export type PreviewBody = z.infer<typeof previewBody>;

export function modelPreviewRoutes({ registry }: ApiServices): Route[] {
  return [
    route('POST /models/preview', {
      summary: 'Tell what a model file is, without registering it',
      description: 'The body is the ONNX file itself. It is opened in a worker, and nothing of it stays.',
      raw: ['application/octet-stream'],
      answer: previewBody,
      handle: async ({ request }) => {
        if (request.headers['content-encoding'] !== undefined) {
          throw new PlatformError('unsupported', 'model files are taken as they are: send the file without content-encoding');
        }
        const { source, inspection } = await registry.preview(uploadOf(request));
        const { signature, opsets, producer, notes, batchable, batchableReason } = inspection;
        return {
          ...source,
          signature: {
            inputs: signature.inputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
            outputs: signature.outputs.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
          },
          opsets,
          producer,
          notes: [...notes],
          batchable,
          batchable_reason: batchableReason,
          same_as: [...(await registry.versionsOfSource(source.sha256))],
        };
      },
    }),
  ];
}
