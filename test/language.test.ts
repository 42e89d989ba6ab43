/**
 * Plain language, kept by a test: words and identifiers that a reader would have to translate are rejected, and an exported name
 * has one meaning. `language-baseline.json` lists the files that are not clean yet; it may only shrink.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const baselinePath = 'test/language-baseline.json';
/** This file and the baseline name what they ban. */
const exempt = ['test/language.test.ts', baselinePath, 'CHANGELOG.md'];

const bannedWords =
  /\b(?:who(?:so)?ever|who(?:m|se)ever|lest|anew|nobody|somebody|anybody|thereby|hereby|told of|(?:may|to) be had|so many|lets? go of|in vain|(?:is|are|was|were) told|keeps? company|for ever|as it came|taken back|as at AWS|looks? after|looked after|(?:jobs|runs) of the server before|not served here)\b/i;

/** Whole words within a camelCase name. */
const bannedParts = (
  'Anew|Asked|Beside|Deed|Deeds|Door|Doors|Given|Gone|Heard|House|Kept|Lest|Neighbours|' +
  'Needs|Nobody|Ride|Road|Rooms|Sight|Somebody|Spent|Surroundings|Told|Whose|Wish|Wished'
).split('|');

interface Baseline {
  readonly words: readonly string[];
  readonly identifiers: readonly string[];
  /** Exported names that two modules may share. At most ten. */
  readonly sharedNames: readonly string[];
}

interface Text {
  readonly path: string;
  readonly text: string;
}

function textsUnder(folder: string, ending: RegExp): Text[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('node_modules') && !path.includes('/results/') && !path.includes('/.cache/'))
    .map((path) => ({ path: path.slice(root.length + 1), text: readFileSync(path, 'utf8') }))
    .filter(({ path }) => !exempt.includes(path))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const typescript = (): Text[] =>
  ['src', 'packages/conformance/src', 'console/src', 'test', 'bench'].flatMap((folder) => textsUnder(folder, /\.tsx?$/));
const documents = (): Text[] => [
  ...['ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md'].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  ...['docs', 'examples', 'bench', 'console/src'].flatMap((folder) => textsUnder(folder, /\.md$/)),
];

function hasBannedWord({ text }: Text): boolean {
  return bannedWords.test(text);
}

const declaration = /\b(?:function\*?|class|interface|type|const|let|enum)\s+(\w+)/g;

function bannedNames({ text }: Text): string[] {
  const names = [...text.matchAll(declaration)].flatMap(([, name = '']) => name);
  return names.filter((name) => {
    const parts = name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
    return parts.some((part) => bannedParts.includes(part.charAt(0).toUpperCase() + part.slice(1)));
  });
}

const exported = /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|interface|type|const|let|enum) (\w+)/gm;

/** Names that more than one module declares and exports. */
function sharedExports(files: readonly Text[]): string[] {
  const byName = Map.groupBy(
    files.flatMap(({ path, text }) => [...text.matchAll(exported)].map(([, name = '']) => ({ name, path }))),
    ({ name }) => name,
  );
  return [...byName]
    .filter(([, all]) => new Set(all.map(({ path }) => path)).size > 1)
    .map(([name, all]) => `${name}: ${[...new Set(all.map(({ path }) => path))].join(', ')}`);
}

const baseline = JSON.parse(readFileSync(join(root, baselinePath), 'utf8')) as Baseline;

function compare(found: readonly string[], known: readonly string[], what: string): void {
  const added = found.filter((path) => !known.includes(path));
  const cleaned = known.filter((path) => !found.includes(path));
  assert.deepEqual(added, [], `${what}: rewrite these files in plain words`);
  assert.deepEqual(cleaned, [], `${what}: these files are clean now: remove them from ${baselinePath}`);
}

test('comments, strings and documents use plain words', () => {
  const found = [...typescript(), ...documents()].filter(hasBannedWord).map(({ path }) => path);
  compare([...new Set(found)], baseline.words, 'banned words');
});

test('declared names use the terms of the field', () => {
  const found = typescript().filter((file) => bannedNames(file).length > 0);
  compare(
    found.map(({ path }) => path),
    baseline.identifiers,
    'banned identifiers',
  );
});

test('an exported name has one meaning', () => {
  const files = [...textsUnder('src', /\.tsx?$/), ...textsUnder('console/src', /\.tsx?$/)].filter(
    ({ path }) => !/\.test\.tsx?$/.test(path),
  );
  const shared = sharedExports(files);
  assert.deepEqual(
    shared.filter((line) => !baseline.sharedNames.includes(line.split(':')[0] ?? '')),
    [],
    'rename all but one of each',
  );
  const unused = baseline.sharedNames.filter((name) => !shared.some((line) => line.startsWith(`${name}:`)));
  assert.deepEqual(unused, [], `these names are used once now: remove them from ${baselinePath}`);
  assert(baseline.sharedNames.length <= 10, 'the allow-list stays short');
});

for (const { text, isBanned } of [
  { text: '// Whoever calls is told of it.', isBanned: true },
  { text: "throw new Error('there is nobody to ask')", isBanned: true },
  { text: '// Stored as it came.', isBanned: true },
  { text: '// Records each rejected call.', isBanned: false },
  { text: '// A limit for every key of the server, before it stops.', isBanned: false },
  { text: '// The almanac of renewed slots.', isBanned: false },
]) {
  test(`self-check: "${text}" ${isBanned ? 'is found' : 'is fine'}`, () => {
    assert.equal(hasBannedWord({ path: 'a.ts', text }), isBanned);
  });
}

test('self-check: banned parts are whole words of a name', () => {
  const names = 'interface PlanWish {}\nconst toldAtMs = 1;\nfunction givenName() {}\nconst forgiven = 2;\nclass Doorbell {}\n';
  assert.deepEqual(bannedNames({ path: 'a.ts', text: names }), ['PlanWish', 'toldAtMs', 'givenName']);
});

test('self-check: a name that two modules export is found', () => {
  const files = ['src/a.ts', 'src/b.ts'].map((path) => ({ path, text: 'export const limit = 1;\n' }));
  assert.deepEqual(sharedExports(files), ['limit: src/a.ts, src/b.ts']);
});
