/** `npm run test:slow`: a reporter that lists the test files and tests that take longest, and the failures. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { reportedFile } from './reported-file.ts';

const listed = 30;

interface Timed {
  readonly name: string;
  readonly file: string;
  readonly ms: number;
}

export default async function* slowest(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const tests: Timed[] = [];
  const filesMs = new Map<string, number>();
  for await (const event of events) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { name, file = '', details } = event.data;
    const timed = { name, file: relative(process.cwd(), file), ms: details.duration_ms };
    if (event.type === 'test:fail') yield `failed: ${timed.file}: ${name}\n`;
    if (details.type !== 'suite') tests.push(timed);
    // Tests of the first level run one after another within their file.
    const counted = reportedFile(event);
    if (counted !== null) filesMs.set(counted, (filesMs.get(counted) ?? 0) + timed.ms);
  }
  const files = [...filesMs].map(([file, ms]) => ({ name: '', file, ms }));
  yield `\n${listed} slowest files of ${files.length}\n${table(files)}\n${listed} slowest tests of ${tests.length}\n${table(tests)}`;
}

function table(all: readonly Timed[]): string {
  const slowestFirst = all.toSorted((a, b) => b.ms - a.ms).slice(0, listed);
  return slowestFirst
    .map(({ name, file, ms }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${file}${name === '' ? '' : `: ${name}`}\n`)
    .join('');
}
