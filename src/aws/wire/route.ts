/** Decides whether a request belongs to an AWS API, which service serves it, and the protocol of the response. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AwsServiceName } from '../service.ts';
import type { ErrorForm } from './error-codes.ts';
import type { SignedRequest } from './signatures/signature.ts';

/** All paths below this prefix belong to the AWS APIs, for clients configured with the endpoint `http://host/aws`. */
const mount = '/aws';

const signature = /[?&](?:X-Amz-(?:Signature|Credential)|AWSAccessKeyId)=/;
const runtimePath = /^\/endpoints\/[^/]+\/(?:async-)?invocations(?:-response-stream)?$/;
const form = 'application/x-www-form-urlencoded';

/** Runs for every incoming request, so it must be fast for inference requests of other protocols. */
export function isAwsRequest(request: IncomingMessage): boolean {
  const { headers, url = '/' } = request;
  const { authorization } = headers;
  if (authorization !== undefined && authorization.startsWith('AWS')) return true;
  if (url.startsWith('/v2/') || url.startsWith('/api/')) return url.includes('?') && signature.test(url);
  return headers['x-amz-target'] !== undefined || isAwsUrl(url, request);
}

function isAwsUrl(url: string, { method, headers }: IncomingMessage): boolean {
  const question = url.indexOf('?');
  const path = question === -1 ? url : url.slice(0, question);
  if (path === mount || path.startsWith(`${mount}/`)) return true;
  if (path.startsWith('/endpoints/') && runtimePath.test(path)) return true;
  if (question !== -1 && (signature.test(url) || (path === '/' && /[?&]Action=/.test(url)))) return true;
  return path === '/' && method === 'POST' && (headers['content-type'] ?? '').startsWith(form);
}

/** The path without the mount prefix. */
export function withoutMount(path: string): string {
  if (path === mount) return '/';
  return path.startsWith(`${mount}/`) ? path.slice(mount.length) : path;
}

/** Services by the name in a signature's scope. */
const scopes: ReadonlyMap<string, AwsServiceName> = new Map([
  ['sagemaker', 'sagemaker'],
  ['application-autoscaling', 'application-autoscaling'],
  ['monitoring', 'cloudwatch'],
  ['logs', 'logs'],
  ['cloudtrail', 'cloudtrail'],
  ['events', 'events'],
  ['s3', 's3'],
  ['sts', 'sts'],
  ['iam', 'iam'],
]);

/** Where a request goes. It is decided before the signature is verified, so an error can have the right form. */
export interface AwsRoute {
  /** As named by the signature's scope, unverified; null without a signature. */
  readonly scope: string | null;
  /** Null for a service that this server does not implement. */
  readonly service: AwsServiceName | null;
  readonly form: ErrorForm;
}

/** Never throws: even a rejected request needs an error format. `path` excludes the mount prefix. */
export function parseAwsRoute({ method, headers, query }: SignedRequest, path: string): AwsRoute {
  const scope = scopeOf(headers, query);
  const target = headers['x-amz-target'] !== undefined;
  if (scope === 'sagemaker' && path.startsWith('/endpoints/') && !target) return { scope, service: 'sagemaker-runtime', form: 'rest-json' };
  const service = scope === null ? null : (scopes.get(scope) ?? null);
  if (service === 's3') return { scope, service, form: 'rest-xml' };
  if (target) return { scope, service, form: jsonForm(headers) };
  if (service === 'cloudwatch' || service === 'sts' || service === 'iam') return { scope, service, form: 'query' };
  if (service !== null) return { scope, service, form: jsonForm(headers) };
  if (scope === null && runtimePath.test(path)) return { scope, service: 'sagemaker-runtime', form: 'rest-json' };
  const isQuery = (headers['content-type'] ?? '').startsWith(form) || /(?:^|&)Action=/.test(query);
  if (isQuery) return { scope, service, form: 'query' };
  if (scope === null && !(path === '/' && method === 'POST')) return { scope, service: 's3', form: 'rest-xml' };
  return { scope, service, form: 'json-1.1' };
}

function jsonForm(headers: IncomingHttpHeaders): 'json-1.0' | 'json-1.1' {
  return (headers['content-type'] ?? '').startsWith('application/x-amz-json-1.0') ? 'json-1.0' : 'json-1.1';
}

function scopeOf({ authorization }: IncomingHttpHeaders, query: string): string | null {
  if (authorization !== undefined) {
    // Parsed without a regular expression: this runs for every call.
    const end = authorization.indexOf('/aws4_request');
    if (end !== -1) return authorization.slice(authorization.lastIndexOf('/', end - 1) + 1, end);
    return authorization.startsWith('AWS ') ? 's3' : null;
  }
  if (query === '') return null;
  const credential = /(?:^|&)X-Amz-Credential=[^&]*(?:\/|%2F)([a-z0-9-]+)(?:\/|%2F)aws4_request/i.exec(query);
  if (credential !== null) return credential[1] as string;
  return /(?:^|&)AWSAccessKeyId=/.test(query) ? 's3' : null;
}

const localhost = 'localhost';
const address = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/;

/** The bucket that `Host` names in virtual host style: the prefix before one of this server's host names. */
export function hostBucketOf(host: string | undefined, names: readonly string[]): string | null {
  if (host === undefined) return null;
  const name = host.replace(/:\d+$/, '').toLowerCase();
  if (address.test(name) || names.includes(name)) return null;
  for (const base of [localhost, ...names]) {
    if (base !== '' && name.length > base.length + 1 && name.endsWith(`.${base}`)) return name.slice(0, -base.length - 1);
  }
  return null;
}
