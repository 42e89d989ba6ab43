/** The same rows as requests for each server under test. */
import { readFileSync } from 'node:fs';
import { postRequest } from '../../src/cli/load/http-connection.ts';

const rowsFile = new URL('../../assets/catalogue/digits_test.csv', import.meta.url);
const rowsMax = 64;

/** Pixels of held-out digits. */
export function digitRows(): number[][] {
  const lines = readFileSync(rowsFile, 'utf8')
    .trim()
    .split('\n')
    .slice(1, rowsMax + 1);
  return lines.map((line) => line.split(',').slice(0, -1).map(Number));
}

/** `instances` bodies with one row each. */
export function digitBodies(): string[] {
  return digitRows().map((row) => JSON.stringify({ instances: [row] }));
}

export function jsonRequests(url: URL, endpoint: string): Buffer[] {
  return digitRows().map((row) => postJson(inferUrl(url, endpoint), inputsBody(row)));
}

/** One row in the Open Inference Protocol. */
export function inputsBody(data: readonly number[], name = 'pixels', shape: readonly number[] = [1, data.length]): string {
  return JSON.stringify({ inputs: [{ name, datatype: 'FP32', shape, data }] });
}

export function postJson(url: URL, body: string): Buffer {
  return postRequest(url, body, { 'Content-Type': 'application/json' });
}

export function binaryRequests(url: URL, endpoint: string): Buffer[] {
  return digitRows().map((data) => binaryRequest(url, endpoint, 'pixels', [1, data.length], Float32Array.from(data)));
}

/** A request with one FP32 tensor in the protocol's binary format, with a binary response. */
export function binaryRequest(url: URL, endpoint: string, name: string, shape: readonly number[], data: Float32Array): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const input = { name, datatype: 'FP32', shape, parameters: { binary_data_size: bytes.length } };
  const head = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  return postRequest(inferUrl(url, endpoint), Buffer.concat([head, bytes]), {
    'Content-Type': 'application/octet-stream',
    'Inference-Header-Content-Length': String(head.length),
  });
}

export function fastapiRequests(url: URL): Buffer[] {
  return digitRows().map((row) => postJson(new URL('/predict', url), JSON.stringify({ pixels: [row] })));
}

function inferUrl(url: URL, endpoint: string): URL {
  return new URL(`/v2/models/${endpoint}/infer`, url);
}
