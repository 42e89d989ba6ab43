/**
 * The browser console: its static files, and its page for every path that no API uses. The files are public and identical
 * for all users; data comes from the API, which authenticates.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpScope } from './control-plane.ts';

/** Placeholder in index.html for the nonce, which allows only the console to add `<style>` at run time. */
const noncePlaceholder = '__CSP_NONCE__';
/** Path prefixes of APIs: an unknown path below them is an API error, not a page. */
const otherPaths = /^\/(?:api|v2|aws|metrics)(?:\/|$)/;
const hasExtension = /\.[a-zA-Z0-9]{1,8}$/;
/** File names in this folder contain a content hash. */
const hashed = '/assets/';
const yearS = 31_536_000;

/** `directory` is the build output, `console/dist`. It may be built while the server runs. */
export async function serveConsole(scope: HttpScope, directory: string): Promise<void> {
  await scope.register(fastifyStatic, {
    root: directory,
    serve: false,
    preCompressed: true,
    index: false,
    dotfiles: 'deny',
    cacheControl: false,
    suppressWarning: true,
  });
  scope.route({
    method: ['GET', 'HEAD'],
    url: '/*',
    schema: { hide: true },
    handler: (request, reply) => {
      const [path = '/'] = request.url.split('?', 1);
      if (otherPaths.test(path)) return reply.callNotFound();
      if (hasExtension.test(path)) return sendFile(path, reply);
      if (path !== '/' && !wantsPage(request)) return reply.callNotFound();
      return sendPage(directory, reply);
    },
  });
}

function wantsPage({ headers }: FastifyRequest): boolean {
  return headers.accept?.includes('text/html') === true;
}

function sendFile(path: string, reply: FastifyReply): FastifyReply {
  if (path === '/index.html') return reply.redirect('/', 308);
  reply.header('cache-control', path.startsWith(hashed) ? `public, max-age=${yearS}, immutable` : 'no-cache');
  reply.header('content-security-policy', policyWith(null));
  return reply.sendFile(path);
}

async function sendPage(directory: string, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = randomBytes(16).toString('base64');
  const page = await readFile(join(directory, 'index.html'), 'utf8').catch(() => null);
  reply.headers({ 'cache-control': 'no-store', 'content-security-policy': policyWith(nonce) }).type('text/html; charset=utf-8');
  return reply.send(Buffer.from(page === null ? unbuilt : page.replaceAll(noncePlaceholder, nonce)));
}

/** No external sources, no inline code except styles with this nonce, no framing. */
function policyWith(styleNonce: string | null): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self'${styleNonce === null ? '' : ` 'nonce-${styleNonce}'`}`,
    "connect-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join('; ');
}

const unbuilt = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Penstock</title></head>
<body>
<h1>The console is not built</h1>
<p>This server runs from a checkout. Build the console once, then reload this page:</p>
<pre>npm run build:console</pre>
<p>Everything else works without it: the <a href="/api/docs">API</a>, models at <code>/v2</code>, the command line (<code>penstock --help</code>).</p>
</body>
</html>
`;
