/** API documentation: an OpenAPI 3.1 document and a page without external resources. */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { HttpScope } from './control-plane.ts';

/** Facts of the document, and where it is served. */
export interface OpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** Path of the document within the scope, for example `/v1/openapi.json`. */
  readonly documentPath: string;
  /** Path of the page within the scope, for example `/docs`. */
  readonly pagePath: string;
  readonly tags?: readonly { readonly name: string; readonly description: string }[];
}

/** Documents every route that the scope registers after this call. */
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
    // The page uses relative links, which need the trailing slash.
    uiHooks: {
      onRequest: (request, reply, done) => {
        if (request.url.split('?')[0]?.endsWith(options.pagePath)) reply.redirect(`.${options.pagePath}/`);
        else done();
      },
    },
    theme: { title: `${title} API` },
    // BaseLayout has no top bar with a foreign logo and a field to explore other documents.
    uiConfig: { layout: 'BaseLayout', validatorUrl: null, docExpansion: 'list', deepLinking: true },
  });
  scope.get(options.documentPath, { schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(Buffer.from(JSON.stringify(scope.swagger()))),
  );
}
