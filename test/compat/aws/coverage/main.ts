/**
 * Writes the tables of docs/api/sagemaker.md from the calls that the tests with AWS's clients made.
 *
 *     npm run aws-coverage            runs all tests first
 *     npm run aws-coverage -- FILES   runs these only; earlier recordings of the others still count
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { shapesOf } from '../../../../src/aws/shapes/shapes.ts';
import { Server } from '../../../end-to-end/server.ts';
import { coverageOf, markdownTable } from './coverage.ts';
import { documentServices, servedOperations } from './operations.ts';
import { replaceTables } from './page.ts';
import type { RecordedCall } from './recording.ts';

const cache = join(import.meta.dirname, '../../../../node_modules/.cache/penstock-aws-calls');
const page = join(import.meta.dirname, '../../../../docs/api/sagemaker.md');

/** Runs the files one by one, because each has its own folder of recordings. */
function runTests(files: readonly string[]): void {
  for (const file of files) {
    const folder = join(cache, basename(file, '.test.ts'));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const { status } = spawnSync(process.execPath, ['--test', file], {
      stdio: 'inherit',
      env: { ...process.env, RECORD_AWS_CALLS: folder, PENSTOCK_CLIENTS: 'all' },
    });
    if (status !== 0) throw new Error(`${file} failed: the page was not changed. Fix the test and run again.`);
  }
}

function recordedCalls(): RecordedCall[] {
  const files = readdirSync(cache, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl'));
  const lines = files.flatMap((name) => readFileSync(join(cache, name), 'utf8').split('\n'));
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedCall);
}

const requested = process.argv.slice(2);
// Programs of examples/ record nothing.
const all = globSync(join(import.meta.dirname, '../*.test.ts')).filter((file) => !basename(file).startsWith('example-'));
runTests(requested.length > 0 ? requested : all.sort());
const calls = recordedCalls();
const server = await Server.start();
try {
  const tables = new Map<string, string>();
  for (const [service, operations] of await servedOperations(server.url, server.adminKey)) {
    const own = calls.filter((call) => call.service === service);
    const shapes = service === 's3' ? null : shapesOf(service as (typeof documentServices)[number]);
    tables.set(service, markdownTable(operations.map((name) => coverageOf(name, own, shapes?.operation(name) ?? null))));
  }
  writeFileSync(page, replaceTables(readFileSync(page, 'utf8'), tables));
} finally {
  await server.end();
}
