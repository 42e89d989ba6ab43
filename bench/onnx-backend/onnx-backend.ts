/**
 * `npm run bench -- onnx-backend`: inspects and runs the models of the ONNX project's backend node tests, and our own, in a worker, and compares
 * the answers with those of onnxruntime in Python on the same machine. A part of them is also registered, deployed and called over HTTP.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { VersionBody } from '../../src/api/index.ts';
import { infer } from '../../test/end-to-end/oip-client.ts';
import { type Refusal, Server } from '../../test/end-to-end/server.ts';
import { caseDifference, type OnnxCase, onnxCases, ownCases } from '../../test/models/onnx-cases.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { pythonEnvironment } from '../servers/python-environment.ts';
import { workerCases } from './case-worker.ts';
import { type BackendResults, type CaseResult, countsOf, resultsTable } from './report.ts';

export interface BackendOptions {
  /** The name of a case, or its beginning; empty for all. */
  readonly only: string;
  readonly isDry: boolean;
}

interface Skipped {
  readonly onnx: string;
  readonly onnxruntime: string;
  readonly skipped: Readonly<Record<string, string>>;
}

/** A deployment takes a second: of all cases, each n-th is also called over HTTP. */
const servedEvery = 20;
/** Deployments in progress at a time. */
const lanes = 2;

export async function onnxBackend({ only, isDry }: BackendOptions): Promise<void> {
  const python = await pythonEnvironment('onnx-backend', new URL('./requirements.txt', import.meta.url));
  if (python.missing !== null) throw new Error(python.missing);
  const folder = mkdtempSync(join(tmpdir(), 'penstock-bench-onnx-'));
  try {
    console.error('running the cases in onnxruntime');
    const script = fileURLToPath(new URL('./cases.py', import.meta.url));
    await promisify(execFile)(join(python.directory, 'bin/python'), [script, folder, only], { maxBuffer: 2 ** 26 });
    const { skipped, ...versions } = JSON.parse(readFileSync(join(folder, 'skipped.json'), 'utf8')) as Skipped;
    const cases = [...onnxCases(folder), ...ownCases()].filter(({ name }) => name.startsWith(only));
    const inWorker = await workerCases(cases);
    const overHttp = await servedCases(cases.filter((_, index) => only !== '' || index % servedEvery === 0));
    const results: BackendResults = {
      at: new Date().toISOString(),
      commit: commit(),
      machine: machine(),
      ...versions,
      notRun: Object.keys(skipped).length,
      inWorker: countsOf(inWorker),
      overHttp: countsOf(overHttp),
      others: [...inWorker, ...overHttp.filter(({ outcome }) => outcome !== 'refused')].filter(({ outcome }) => outcome !== 'equal'),
    };
    const table = resultsTable(results);
    console.log(table);
    if (!isDry && only === '') writeResults('onnx-backend', results, table);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function servedCases(cases: readonly OnnxCase[]): Promise<CaseResult[]> {
  const server = await Server.start({ flags: ['--warm-workers', String(lanes)] });
  const results: CaseResult[] = [];
  const waiting = cases.entries();
  const lane = async (): Promise<void> => {
    for (const [index, each] of waiting) {
      const result = await servedCase(server, `case-${index}`, each);
      results.push(result);
      if (results.length % 25 === 0) console.error(`${results.length} of ${cases.length}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    await server.end();
  }
  return results.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Registers, deploys, calls and deletes one model. */
async function servedCase(server: Server, endpoint: string, { name, ...each }: OnnxCase): Promise<CaseResult> {
  const upload = await server.call<{ version: VersionBody } & Refusal>(
    'POST',
    `/groups/${endpoint}/versions?name=model.onnx`,
    readFileSync(each.modelPath),
  );
  if (upload.status !== 201) return { name, outcome: 'refused', detail: upload.body.error };
  try {
    await server.approve(upload.body.version);
    await server.callWell('POST', '/endpoints', { name: endpoint, variants: [{ model: upload.body.version.name, instance_count: 1 }] });
    await server.inService(endpoint);
    const { error, outputs } = await infer(server.url, endpoint, each.inputs);
    if (error !== null) return { name, outcome: 'failed', detail: error.error };
    const difference = caseDifference(outputs, { name, ...each });
    return difference === null ? { name, outcome: 'equal', detail: '' } : { name, outcome: 'differing', detail: difference };
  } catch (error) {
    return { name, outcome: 'failed', detail: String(error).slice(0, 300) };
  } finally {
    await server.call('DELETE', `/endpoints/${endpoint}`);
  }
}
