/** Routes of approvals of model versions, and of the samples and openings that an approval needs. */
import { z } from 'zod';
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import { approvalValues, versionBody } from '../bodies.ts';
import { versionPath } from '../routing/parameters.ts';
import { type ApiRoute, apiRoute } from '../routing/route.ts';
import type { ApiServices } from '../routing/services.ts';
import { uploadOf, versionBodyOf } from './groups.ts';

const sampleBytesMax = 2 ** 20;

export function approvalRoutes({ registry }: Pick<ApiServices, 'registry'>): ApiRoute[] {
  return [
    apiRoute('POST /groups/:group/versions/:version/approval', {
      summary: 'Approve or reject a model version',
      params: versionPath,
      description:
        'A Python model that was not opened yet is opened first: the answer has `python.state` "opening", and the version is Approved once ' +
        'that has succeeded.',
      body: z.strictObject({
        approval: z.enum(approvalValues),
        note: z.string().optional(),
        accept_imports: z
          .boolean()
          .optional()
          .describe('Required if a Python model imports names outside of the known libraries: `python.imports.outside`.'),
      }),
      answer: versionBody,
      handle: async ({ params, body: { approval, note, accept_imports: acceptsImports }, caller }) => {
        const decision = { who: caller.keyId, ...defined({ note, acceptsImports }) };
        const version = await registry.setApproval(params.group, params.version, approval, decision);
        return versionBodyOf(version, registry.openings?.stageOf(version));
      },
    }),
    apiRoute('DELETE /groups/:group/versions/:version/opening', {
      summary: 'Cancel the opening of a Python model',
      params: versionPath,
      answer: versionBody,
      handle: async ({ params, caller }) => versionBodyOf(await registry.cancelOpening(params.group, params.version, caller.keyId)),
    }),
    apiRoute('PUT /groups/:group/versions/:version/sample', {
      summary: 'Store real rows with which a Python model is opened',
      description:
        'The body has the form of a request to the model: CSV with a header, JSON (a list has a row in each element), lines of JSON, text, or an .npy file. At most 1 MiB.',
      params: versionPath,
      raw: ['application/octet-stream', 'application/json', 'application/jsonlines', 'text/csv', 'text/plain', 'application/x-npy'],
      answer: versionBody,
      handle: async ({ params, caller, request }) => {
        const contentType = request.headers['content-type'] ?? 'application/octet-stream';
        const sample = { contentType, body: await bounded(uploadOf(request)) };
        return versionBodyOf(await registry.putSample(params.group, params.version, sample, caller.keyId));
      },
    }),
  ];
}

async function bounded(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.byteLength;
    if (bytes > sampleBytesMax) throw new PlatformError('too_large', 'the sample has more than 1 MiB: a few rows are enough');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
