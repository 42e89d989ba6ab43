/**
 * The browser console: the files of its build, and its page for every address that is nobody else's. What it holds is
 * the same for everybody and open to everybody; what it shows it asks the API for, which asks who one is.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpScope } from './control-plane.ts';

/** Stands in index.html where the nonce of the answer belongs: the console adds `<style>` at run time, nobody else may. */
const noncePlace = '__CSP_NONCE__';
/** Paths that are other doors': an unknown one is an error in their words, not a page. */
const otherDoors = /^\/(?:api|v2|aws|metrics)(?:\/|$)/;
const hasExtension = /\.[a-zA-Z0-9]{1,8}$/;
/** The build names these by what they hold. */
const hashed = '/assets/';
const yearS = 31_536_000;

/** `directory` is where the build lies, or would lie: `console/dist`. It may be built while the server runs. */
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
      if (otherDoors.test(path)) return reply.callNotFound();
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
  return reply.send(Buffer.from(page === null ? unbuilt : page.replaceAll(noncePlace, nonce)));
}

/** Nothing from elsewhere, nothing inline but the styles of this very answer, in nobody's frame. */
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
<h1>Penstock serves; its console is not built</h1>
<p>This server runs from a checkout. Build the console once, then load this page again:</p>
<pre>npm run build:console</pre>
<p>All else works without it: the <a href="/api/docs">API</a>, models at <code>/v2</code>, the command line (<code>penstock --help</code>).</p>
</body>
</html>
`;
