/** Stores results as JSON in results/ and as a table between two markers in README.md. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const readmeFile = new URL('./README.md', import.meta.url);

/** The stored results, for benchmarks that update them in parts; null if there are none. */
export function readResults<Results>(scenario: string): Results | null {
  const file = new URL(`./results/${scenario}.json`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : null;
}

export function writeResults(scenario: string, results: object, table: string): void {
  const file = new URL(`./results/${scenario}.json`, import.meta.url);
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  const [begin, end] = [`<!-- ${scenario}: begin -->`, `<!-- ${scenario}: end -->`];
  const [before, rest] = readFileSync(readmeFile, 'utf8').split(begin) as [string, string];
  writeFileSync(readmeFile, `${before}${begin}\n${table}\n${end}${rest.split(end)[1]}`);
}
