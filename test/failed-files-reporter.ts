/** A reporter of the files whose tests failed, a line each. A test that a fixture defines counts for the file that calls it. */
import type { TestEvent } from 'node:test/reporters';
import { reportedFile } from './reported-file.ts';

export default async function* failedFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Set<string>();
  for await (const event of events) {
    // If a test fails, so does the one of the first level around it, and that one is in the file itself.
    const file = event.type === 'test:fail' ? reportedFile(event) : null;
    if (file !== null) files.add(file);
  }
  yield [...files].map((file) => `${file}\n`).join('');
}
