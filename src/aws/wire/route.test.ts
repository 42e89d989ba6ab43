import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';
import { hostBucketOf, isAwsRequest, parseAwsRoute, withoutMount } from './route.ts';

const signedFor = (service: string): string =>
  `AWS4-HMAC-SHA256 Credential=A/20261124/us-east-1/${service}/aws4_request, SignedHeaders=host`;

describe('decides whether a request belongs to an AWS API:', () => {
  for (const [what, expected, request] of [
    ['an inference request', false, { url: '/v2/models/m/infer', method: 'POST', headers: {} }],
    ['one with a native API key', false, { url: '/v2/models/m/infer', headers: { authorization: 'Bearer AWS:x' } }],
    ['one with a query', false, { url: '/v2/models/m/infer?X=1', headers: {} }],
    ['the native API', false, { url: '/api/v1/groups', method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['the console', false, { url: '/', method: 'GET', headers: {} }],
    ['JSON without a target', false, { url: '/', method: 'POST', headers: { 'content-type': 'application/json' } }],
    ['a signature, whatever the path', true, { url: '/v2/a', headers: { authorization: signedFor('s3') } }],
    ['a signature of Version 2', true, { url: '/b/k', headers: { authorization: 'AWS A:x' } }],
    ['a presigned URL of an object below v2', true, { url: '/v2/a?X-Amz-Credential=x&X-Amz-Signature=y', headers: {} }],
    ['a URL presigned with Version 2', true, { url: '/b/k?AWSAccessKeyId=A&Signature=b&Expires=1', headers: {} }],
    ['a target', true, { url: '/', method: 'POST', headers: { 'x-amz-target': 'a.b' } }],
    ['an action in a form', true, { url: '/', method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['an action in a query', true, { url: '/?Action=GetCallerIdentity', method: 'GET', headers: {} }],
    ['the mount itself', true, { url: '/aws', method: 'POST', headers: {} }],
    ['below the mount', true, { url: '/aws/b/k', method: 'GET', headers: {} }],
    ['next to the mount', false, { url: '/awsome', method: 'GET', headers: {} }],
    ['an invocation', true, { url: '/endpoints/e%20p/invocations', method: 'POST', headers: {} }],
    ['a streamed one', true, { url: '/endpoints/e/invocations-response-stream', method: 'POST', headers: {} }],
    ['an asynchronous one', true, { url: '/endpoints/e/async-invocations', method: 'POST', headers: {} }],
    ['another path below an endpoint', false, { url: '/endpoints/e/other', method: 'POST', headers: {} }],
  ] as const) {
    test(`${what}: ${expected ? 'yes' : 'no'}`, () => assert.equal(isAwsRequest(request as unknown as IncomingMessage), expected));
  }
});

describe('derives the service and the error form:', () => {
  for (const [what, expected, path, headers, query = '', method = 'POST'] of [
    ['an invocation', 'sagemaker-runtime rest-json', '/endpoints/e/invocations', { authorization: signedFor('sagemaker') }],
    ['the control plane', 'sagemaker json-1.1', '/', { authorization: signedFor('sagemaker'), 'x-amz-target': 'SageMaker.X' }],
    [
      'metrics in JSON',
      'cloudwatch json-1.0',
      '/',
      { authorization: signedFor('monitoring'), 'x-amz-target': 'a.b', 'content-type': 'application/x-amz-json-1.0' },
    ],
    ['metrics in a form', 'cloudwatch query', '/', { authorization: signedFor('monitoring') }],
    ["the caller's identity", 'sts query', '/', { authorization: signedFor('sts') }],
    ['an object', 's3 rest-xml', '/b/k', { authorization: signedFor('s3') }],
    ['an object by URL', 's3 rest-xml', '/b/k', {}, 'X-Amz-Credential=A%2F20261124%2Fus-east-1%2Fs3%2Faws4_request', 'GET'],
    ['an object by URL of Version 2', 's3 rest-xml', '/b/k', {}, 'AWSAccessKeyId=A', 'GET'],
    ['an unknown service', 'null json-1.1', '/2015-03-31/functions', { authorization: signedFor('lambda') }],
    ['an unsigned invocation', 'sagemaker-runtime rest-json', '/endpoints/e/invocations', {}],
    ['an unsigned target', 'null json-1.1', '/', { 'x-amz-target': 'a.b' }],
    ['an unsigned action', 'null query', '/', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an unsigned object', 's3 rest-xml', '/b/k', {}, '', 'GET'],
  ] as const) {
    test(`${what}: ${expected}`, () => {
      const { service, form } = parseAwsRoute({ method, path, query, headers }, path);
      assert.equal(`${service} ${form}`, expected);
    });
  }
});

test('removes the mount prefix and nothing else', () => {
  for (const [path, inner] of [
    ['/aws', '/'],
    ['/aws/', '/'],
    ['/aws/b/k', '/b/k'],
    ['/aws//k', '//k'],
    ['/awsome', '/awsome'],
    ['/b/aws/k', '/b/aws/k'],
  ] as const) {
    assert.equal(withoutMount(path), inner);
  }
});

test('finds the bucket in the host name', () => {
  for (const [host, bucket] of [
    ['models.localhost:4567', 'models'],
    ['Models.LOCALHOST', 'models'],
    ['a.b.localhost', 'a.b'],
    ['models.penstock.example:443', 'models'],
    ['localhost:4567', null],
    ['penstock.example', null],
    ['127.0.0.1:4567', null],
    ['[::1]:4567', null],
    ['elsewhere.example', null],
    ['.localhost', null],
    [undefined, null],
  ] as const) {
    assert.equal(hostBucketOf(host, ['penstock.example', '127.0.0.1', '']), bucket, host);
  }
});
