/**
 * Part of the API of Kubernetes over TLS: the `scale` of StatefulSets, and secrets, as its server does it. A patch with a `resourceVersion` is rejected with
 * 409 unless it is the present one, a patch that changes nothing leaves it, and a number of 0 is left out of the JSON.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../src/http/listener/self-signed.ts';

/** A change that was made. */
export interface MadeChange {
  readonly replicas: number;
  /** The field manager, which the real server stores in `managedFields`. */
  readonly manager: string;
}

interface StatefulSet {
  replicas: number;
  resourceVersion: number;
}

export class KubernetesServer {
  /** With token, ca.crt and namespace, as in a pod. */
  readonly folder = mkdtempSync(join(tmpdir(), 'penstock-kubernetes-'));
  readonly changes: MadeChange[] = [];
  /** All requests, as `PATCH penstock-epoch-1 409`. */
  readonly log: string[] = [];
  /** Verbs that the role of the service account has. */
  readonly verbs = new Set(['get', 'patch']);
  /** Called before a request is done; it waits for the promise. */
  before: (method: string, manager: string) => Promise<void> = async () => undefined;
  /** Answers in its place, in whatever way, if it returns true. */
  instead: (response: ServerResponse) => boolean = () => false;
  readonly #server: Server;
  readonly #sets = new Map<string, StatefulSet>();
  readonly #token = randomUUID();
  /** Secrets by name: their data, in base64. */
  readonly secrets = new Map<string, Record<string, string>>();
  /** Of the whole cluster, as in etcd. */
  #revision = 100;

  private constructor(server: Server, ca: string) {
    this.#server = server;
    for (const [name, text] of Object.entries({ token: this.#token, 'ca.crt': ca, namespace: 'ml' }))
      writeFileSync(join(this.folder, name), text);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(): Promise<KubernetesServer> {
    const { cert, key } = selfSignedCertificate({ hosts: ['127.0.0.1'], wallMs: Date.now(), days: 1 });
    const server = createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new KubernetesServer(server, cert);
  }

  /** As Kubernetes sets them in a pod. */
  get environment(): Readonly<Record<string, string>> {
    const { port } = this.#server.address() as AddressInfo;
    return { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${port}` };
  }

  set(name: string, replicas: number): void {
    this.#sets.set(name, { replicas, resourceVersion: ++this.#revision });
  }

  /** Something else about the set changed, as its status does. */
  touch(name: string): void {
    this.set(name, this.replicas(name));
  }

  replicas(name: string): number {
    const set = this.#sets.get(name);
    assert(set !== undefined);
    return set.replicas;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { method = '', url = '' } = request;
    const { pathname, searchParams } = new URL(url, 'https://kubernetes');
    const manager = searchParams.get('fieldManager') ?? '';
    await this.before(method, manager);
    if (this.instead(response)) return;
    const [status, body] = this.#answer(request, pathname, { manager, text: Buffer.concat(chunks).toString() });
    this.log.push(`${method} ${manager} ${status}`);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  #answer(
    { method = '', headers }: IncomingMessage,
    path: string,
    { manager, text }: { readonly manager: string; readonly text: string },
  ): [number, object] {
    if (headers.authorization !== `Bearer ${this.#token}`) return failure(401, 'Unauthorized');
    const [, name = ''] = /^\/apis\/apps\/v1\/namespaces\/ml\/statefulsets\/([a-z0-9-]+)\/scale$/.exec(path) ?? [];
    const verb = method.toLowerCase();
    if (!this.verbs.has(verb)) {
      const who = 'User "system:serviceaccount:ml:penstock"';
      return failure(403, `statefulsets.apps "${name}" is forbidden: ${who} cannot ${verb} resource "statefulsets/scale"`);
    }
    const [, secret] = /^\/api\/v1\/namespaces\/ml\/secrets\/([a-z0-9-]+)$/.exec(path) ?? [];
    if (secret !== undefined) return this.#answerSecret(method, secret, text);
    const set = this.#sets.get(name);
    if (set === undefined) return failure(404, `statefulsets.apps "${name}" not found`);
    if (method === 'GET') return [200, scaleOf(name, set)];
    if (headers['content-type'] !== 'application/merge-patch+json') return failure(415, 'the body of the request was in an unknown format');
    const { metadata, spec } = JSON.parse(text) as { metadata?: { resourceVersion?: string }; spec: { replicas: number } };
    if (metadata?.resourceVersion !== undefined && metadata.resourceVersion !== `${set.resourceVersion}`) {
      return failure(409, `Operation cannot be fulfilled on statefulsets.apps "${name}": the object has been modified`);
    }
    if (spec.replicas !== set.replicas) {
      this.set(name, spec.replicas);
      this.changes.push({ replicas: spec.replicas, manager });
    }
    return [200, scaleOf(name, this.#sets.get(name) ?? set)];
  }

  #answerSecret(method: string, name: string, text: string): [number, object] {
    const data = this.secrets.get(name);
    if (data === undefined) return failure(404, `secrets "${name}" not found`);
    if (method === 'PATCH') Object.assign(data, (JSON.parse(text) as { data: Record<string, string> }).data);
    return [200, secretOf(name, data)];
  }
}

/** Data that is empty is left out of the JSON. */
function secretOf(name: string, data: Readonly<Record<string, string>>): object {
  const metadata = { name, namespace: 'ml' };
  return { kind: 'Secret', apiVersion: 'v1', metadata, ...(Object.keys(data).length === 0 ? {} : { data }), type: 'Opaque' };
}

function scaleOf(name: string, { replicas, resourceVersion }: StatefulSet): object {
  const metadata = { name, namespace: 'ml', uid: 'f00d', resourceVersion: `${resourceVersion}` };
  const spec = replicas === 0 ? {} : { replicas };
  return { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata, spec, status: { replicas, selector: '' } };
}

function failure(code: number, message: string): [number, object] {
  return [code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }];
}
