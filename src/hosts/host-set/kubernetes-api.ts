/** Calls of the API server of Kubernetes, with the service account of the pod. */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { messageOf, PlatformError } from '../../errors.ts';
import { oneLine } from './host-set.ts';

/** Where Kubernetes mounts the token, the authority and the namespace of a service account. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Of a response. */
const bytesMax = 256 * 1024;
const credentialBytesMax = 64 * 1024;
const answerMsMax = 5000;

/** A response that is a JSON object, whatever its status. */
export interface KubernetesAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface KubernetesCall {
  readonly method: 'GET' | 'PATCH' | 'POST';
  /** With its query. */
  readonly path: string;
  readonly contentType?: string;
  readonly body?: unknown;
}

/** Where the API server is, and the folder with the credentials. */
export interface KubernetesPlace {
  /** `HOST:PORT` */
  readonly address: { readonly host: string; readonly port: number };
  readonly folder: string;
}

/** Kubernetes sets these variables in every pod. Throws `invalid_request` without them. */
export function kubernetesPlace(env: Readonly<Record<string, string | undefined>>, folder: string): KubernetesPlace {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT_HTTPS: https, KUBERNETES_SERVICE_PORT: plain } = env;
  const port = Number(https ?? plain);
  if (host !== undefined && host !== '' && Number.isInteger(port) && port > 0 && port < 65_536) return { address: { host, port }, folder };
  throw new PlatformError(
    'invalid_request',
    '--scale-hosts and --join-secret need KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which Kubernetes sets in a pod. Elsewhere, add --scale-hosts-exec PROGRAM',
  );
}

/** Of the pod. Throws `unavailable`. */
export async function namespaceOf({ folder }: KubernetesPlace): Promise<string> {
  const namespace = await credential(folder, 'namespace');
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)) return namespace;
  throw new PlatformError('unavailable', `${join(folder, 'namespace')}: expected the name of a namespace, got ${oneLine(namespace)}`);
}

/** Throws `unavailable` if there is no answer, or none that is JSON. Files are read each time, because Kubernetes replaces them. */
export async function callKubernetes({ address, folder }: KubernetesPlace, call: KubernetesCall): Promise<KubernetesAnswer> {
  const [token, ca] = await Promise.all([credential(folder, 'token'), credential(folder, 'ca.crt')]);
  const { method, path, contentType = 'application/json', body } = call;
  const sent = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    ...(sent === null ? {} : { 'content-type': contentType, 'content-length': sent.length }),
  };
  // A connection for each call: there are few, and one that was kept may be a dead one.
  const options: RequestOptions = { ...address, method, path, headers, ca, agent: false, timeout: answerMsMax };
  try {
    const { status, text } = await exchange(options, sent);
    return { status, body: recordOf(text, status) };
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    throw new PlatformError('unavailable', `the API server of Kubernetes does not answer: ${oneLine(messageOf(error))}`, { cause: error });
  }
}

/** What the API server says of a call that it did not do: `forbidden` if it rejected it, `unavailable` if it failed, and may have done it. */
export function kubernetesError({ status, body }: KubernetesAnswer, what: string, advice = ''): PlatformError {
  const said = typeof body.message === 'string' ? `: ${oneLine(body.message)}` : '';
  const isRejection = status >= 400 && status < 500;
  return new PlatformError(isRejection ? 'forbidden' : 'unavailable', `Kubernetes answered ${status} to ${what}${said}${advice}`);
}

function exchange(options: RequestOptions, sent: Buffer | null): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const limit = AbortSignal.timeout(answerMsMax);
    const made = request({ ...options, signal: limit }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    made.on('error', (error) => reject(limit.aborted ? new Error(`no response within ${answerMsMax / 1000} s`) : error));
    made.end(sent ?? undefined);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`the response has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function recordOf(text: string, status: number): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new PlatformError('unavailable', `the API server of Kubernetes answered ${status} without a JSON object: ${oneLine(text)}`);
}

async function credential(folder: string, name: string): Promise<string> {
  const file = join(folder, name);
  try {
    const text = await readFile(file, 'utf8');
    if (text.length <= credentialBytesMax && text.trim() !== '') return text.trim();
    throw new Error(`it has ${text.length} characters`);
  } catch (error) {
    throw new PlatformError('unavailable', `the credentials of the service account cannot be read: ${oneLine(messageOf(error))}`, {
      cause: error,
    });
  }
}
