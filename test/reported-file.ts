/** The file of a test that has ended, relative to the checkout; null for a test within another test. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

type EndOfTest = Extract<TestEvent, { type: 'test:pass' | 'test:fail' }>;

/** In a shared process, the suite of a file has its path as its name (`shared-process.ts`). */
export function reportedFile({ data }: EndOfTest): string | null {
  if (data.nesting !== 0 || data.file === undefined) return null;
  const file = relative(process.cwd(), data.file);
  return file === 'test/shared-process.ts' ? data.name : file;
}
