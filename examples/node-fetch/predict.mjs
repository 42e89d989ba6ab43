/**
 * Calls an endpoint with `fetch` alone (Node 18 or later): one request with its timings, sixteen at once, and
 * one that is refused.
 *
 * Needs an endpoint `digits`: penstock deploy catalogue:digits-mlp digits --approve --objective 'p95<=50ms'
 * PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
 */
import { readFileSync } from 'node:fs';

const url = process.env.PENSTOCK_URL ?? 'http://127.0.0.1:8080';
const key = process.env.PENSTOCK_KEY;

const csv = readFileSync(new URL('../../assets/catalogue/digits_test.csv', import.meta.url), 'utf8');
const lines = csv.trim().split('\n').slice(1);
const digits = lines.map((line) => line.split(',').map(Number)).map((row) => ({ pixels: row.slice(0, 64), truth: row[64] }));

/** The answer to `rows`, each of 64 pixels, and its headers. Throws an error with the server's code and sentence. */
async function infer(rows) {
  const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [rows.length, rows[0].length], data: rows.flat() }];
  const response = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-penstock-timings': 'true',
      ...(key ? { authorization: `Bearer ${key}` } : {}),
    },
    body: JSON.stringify({ inputs }),
    signal: AbortSignal.timeout(60_000), // who goes away is forgotten: a request that still waits then never runs
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status, code: answer.code });
  const outputs = Object.fromEntries(answer.outputs.map(({ name, data }) => [name, data]));
  return { outputs, headers: response.headers };
}

const { outputs, headers } = await infer([digits[0].pixels]);
console.log(`a ${outputs.label[0]} with probability ${Math.max(...outputs.probabilities).toFixed(3)}`);
const stages = headers.get('server-timing').split(', ').map((stage) => stage.split(';')[0]);
console.log(`stages: ${stages.join(', ')}`);

const answers = await Promise.all(digits.slice(0, 16).map(({ pixels }) => infer([pixels])));
console.log('sixteen at once:', answers.map((answer) => answer.outputs.label[0]).join(' '));
console.log('what they are:  ', digits.slice(0, 16).map(({ truth }) => truth).join(' '));

try {
  await infer([[1, 2, 3]]);
} catch ({ status, code, message }) {
  console.log(`refused: ${status} ${code}: ${message}`);
}
