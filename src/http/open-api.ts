/** The description of an API for programs (OpenAPI 3.1) and for people (a page that needs nothing from outside). */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { HttpScope } from './control-plane.ts';

export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** Where the document is served, within the scope: `/v1/openapi.json`. */
  readonly documentPath: string;
  /** Where the page is served, within the scope: `/docs`. */
  readonly pagePath: string;
  readonly tags?: readonly { readonly name: string; readonly description: string }[];
}

/** Describes every route that the scope registers after this call. */
export async function describeApi(scope: HttpScope, options: OpenApiOptions): Promise<void> {
  const { title, version, description } = options;
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version, description },
      tags: (options.tags ?? []).map((tag) => ({ ...tag })),
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', bearerFormat: 'ID:SECRET' } } },
      security: [{ key: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await scope.register(swaggerUi, {
    routePrefix: options.pagePath,
    staticCSP: true,
    // Without its slash the page names its parts beside itself, where they are not.
    uiHooks: {
      onRequest: (request, reply, done) => {
        if (request.url.split('?')[0]?.endsWith(options.pagePath)) reply.redirect(`.${options.pagePath}/`);
        else done();
      },
    },
    theme: { title: `${title} API` },
    // Without the bar on top: it has the logo of somebody else and offers to explore other documents.
    uiConfig: { layout: 'BaseLayout', validatorUrl: null, docExpansion: 'list', deepLinking: true },
  });
  scope.get(options.documentPath, { schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(Buffer.from(JSON.stringify(scope.swagger()))),
  );
}
