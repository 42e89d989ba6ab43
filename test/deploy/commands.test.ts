/** Every `penstock …` that the guide of the cluster, the notes of the chart and the smoke test name is one that the program accepts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandLineError } from './command-lines.ts';

/** As the guide exports it. */
const env = { PENSTOCK_DATABASE_URL: 'postgres://penstock@127.0.0.1:5432/penstock' };
const root = join(import.meta.dirname, '../..');

/** By file: where a command begins in a line, and where it ends. */
const commands: Readonly<Record<string, RegExp>> = {
  // `$ penstock …`, also with variables before it and in several lines
  'docs/operate/cluster.md': /^(?:\$ )?(?:[A-Z_]+=\S+ )*penstock ((?:[^\n#|>\\]|\\\n)+)/gm,
  'deploy/helm/penstock/templates/NOTES.txt': / penstock ([a-z][^)"\n]+)$/gm,
  'deploy/smoke.sh': /(?:-- penstock|\bon_home(?= [a-z])) ([^);|\n]+)/g,
};

for (const [path, pattern] of Object.entries(commands)) {
  test(`the commands in ${path} exist`, async () => {
    const found = [...readFileSync(join(root, path), 'utf8').matchAll(pattern)].map(([, line = '']) => wordsOf(line));
    assert(found.length > 0);
    for (const args of found) assert.equal(await commandLineError(args, env), null, `penstock ${args.join(' ')}`);
  });
}

/** Splits a line as a shell does, without expansion: `$TOKEN` stays a word. */
function wordsOf(line: string): string[] {
  const words = line.replaceAll('\\\n', ' ').match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replaceAll(/["']/g, ''));
}
