import { readdirSync, readFileSync } from 'node:fs';

export interface SourceFile {
  /** Relative to src/, or to the requested folder, with `/`. */
  readonly path: string;
  readonly text: string;
}

const src = new URL('../src/', import.meta.url);
/** Code that runs in the browser. */
export const consoleSource: URL = new URL('../console/src/', import.meta.url);
/** The conformance suite, a package of its own. */
export const suiteSource: URL = new URL('../packages/conformance/src/', import.meta.url);

/** Every TypeScript file under src/ or another folder, tests included. */
export function sourceFiles(folder: URL = src): SourceFile[] {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.tsx?$/.test(path));
  return paths.sort().map((path) => ({ path, text: readFileSync(new URL(path, folder), 'utf8') }));
}

export function isTest(path: string): boolean {
  return /\.test\.ts$|-contract\.ts$/.test(path);
}
