/** A reporter of the files whose tests failed, a line each. A test that a fixture defines counts for the file that calls it. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Set<string>();
  for await (const { type, data } of events) {
    // If a test fails, so does the one of the first level around it, and that one is in the file itself.
    if (type === 'test:fail' && data.nesting === 0 && data.file !== undefined) files.add(relative(process.cwd(), data.file));
  }
  yield [...files].map((file) => `${file}\n`).join('');
}
