import { readdirSync, readFileSync } from 'node:fs';

export interface SourceFile {
  /** Relative to src/, with `/`. */
  readonly path: string;
  readonly text: string;
}

const src = new URL('../src/', import.meta.url);

/** Every TypeScript file under src/, tests included. */
export function sourceFiles(): SourceFile[] {
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return paths.sort().map((path) => ({ path, text: readFileSync(new URL(path, src), 'utf8') }));
}

export function isTest(path: string): boolean {
  return /\.test\.ts$|-contract\.ts$/.test(path);
}
