/** The file that an event of a test belongs to, relative to the checkout. Null if the event is of another one's tests. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

type EndOfTest = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>;

/** Only for the tests of the first level of a file. In a shared process, that is the suite of the file (`shared-process.ts`). */
export function reportedFile({ data }: EndOfTest): string | null {
  if (data.nesting !== 0 || data.file === undefined) return null;
  const file = relative(process.cwd(), data.file);
  return file === 'test/shared-process.ts' ? data.name : file;
}
