/** The console's own house: pages stand side by side on the kit, and only the table of addresses knows them all. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { consoleSource, isTest, sourceFiles } from '../source-files.ts';

/** From the ground up. What is not named is the folder of a page. */
const ground = ['theme', 'api', 'kit'];
const roof = ['shell', 'routes.tsx', 'main.tsx'];

const roomOf = (path: string): string => path.split('/')[0] ?? '';

function complaint(path: string, specifier: string): string | null {
  const room = roomOf(path);
  const target = posix.join(posix.dirname(path), specifier);
  if (target.startsWith('../')) return target === '../../src/api/index.ts' ? null : 'of the server only the types of its API';
  const other = roomOf(target);
  if (other === room) return null;
  if (ground.includes(other)) {
    return ground.includes(room) && ground.indexOf(other) > ground.indexOf(room) ? `${room} stands below ${other}` : null;
  }
  if (roof.includes(room)) return room === 'shell' && !roof.includes(other) ? 'the frame knows no page' : null;
  return `${room} may use ${ground.join(', ')} and itself`;
}

function complaints(files: readonly { readonly path: string; readonly text: string }[]): string[] {
  return files.flatMap(({ path, text }) => {
    const imports = [...text.matchAll(/(?:\bfrom |\bimport\(|^import )'(\.[^']+)'/gm)].map(([, specifier = '']) => specifier);
    return imports.flatMap((specifier) => {
      const found = complaint(path, specifier);
      return found === null ? [] : [`${path} imports ${specifier}: ${found}`];
    });
  });
}

test('pages use the kit and themselves, not each other', () => {
  assert.deepEqual(complaints(sourceFiles(consoleSource).filter(({ path }) => !isTest(path))), []);
});

for (const { path, text, wrong } of [
  { path: 'serving/try-page.tsx', text: "import { Page } from '../kit/page.tsx';", wrong: false },
  { path: 'serving/try-page.tsx', text: "import type { A } from '../../../src/api/index.ts';", wrong: false },
  { path: 'serving/try-page.tsx', text: "import type { A } from '../../../src/serving/index.ts';", wrong: true },
  { path: 'serving/try-page.tsx', text: "import { A } from '../deployment/plan.tsx';", wrong: true },
  { path: 'api/client.ts', text: "import { A } from '../kit/page.tsx';", wrong: true },
  { path: 'kit/loaded.tsx', text: "import { A } from '../api/client.ts';", wrong: false },
  { path: 'shell/shell.tsx', text: "import { A } from '../serving/try-page.tsx';", wrong: true },
  { path: 'routes.tsx', text: "const a = () => import('./serving/try-page.tsx');", wrong: false },
]) {
  test(`self-check: ${text} in ${path} ${wrong ? 'is found' : 'is fine'}`, () => {
    assert.equal(complaints([{ path, text }]).length, wrong ? 1 : 0);
  });
}

interface Stylesheet {
  readonly path: string;
  readonly text: string;
}

const classesIn = (text: string): string[] => [...text.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name = '']) => name);

function selectorsOf({ text }: Stylesheet): string[] {
  const bare = text.replaceAll(/\/\*.*?\*\//gs, '');
  return [...bare.matchAll(/([^{};]+)\{/g)].flatMap(([, selectors = '']) => selectors.split(',').map((selector) => selector.trim()));
}

/** Classes with which a page or the frame begins a selector, and that another stylesheet speaks of too: whichever is loaded last wins. */
function clashes(sheets: readonly Stylesheet[]): string[] {
  return sheets
    .filter(({ path }) => !ground.includes(roomOf(path)))
    .flatMap((own) => {
      const begun = new Set(selectorsOf(own).flatMap((selector) => classesIn(/^[^\s>+~]*/.exec(selector)?.[0] ?? '').slice(0, 1)));
      return sheets
        .filter((other) => other !== own)
        .flatMap((other) => {
          const told = new Set(selectorsOf(other).flatMap(classesIn));
          return [...begun].filter((name) => told.has(name)).map((name) => `.${name} of ${own.path} is in ${other.path} too`);
        });
    });
}

test('a class of a page or of the frame is in no other stylesheet', () => {
  const paths = readdirSync(consoleSource, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.css'));
  assert(paths.length > 5);
  assert.deepEqual(clashes(paths.map((path) => ({ path, text: readFileSync(new URL(path, consoleSource), 'utf8') }))), []);
});

for (const { when, page, other, wrong } of [
  { when: 'the frame styles .top and the ground .grid.top', page: '.top { height: 1px; }', other: '.grid.top { gap: 0; }', wrong: true },
  { when: 'a page styles a part within its own', page: '.plan > .card { gap: 0; }', other: '.card { gap: 1px; }', wrong: false },
  { when: 'only a comment names it', page: '.top { height: 1px; }', other: '/* .top {} */ .card { gap: 0.5em; }', wrong: false },
]) {
  test(`self-check: ${when}, which ${wrong ? 'is found' : 'is fine'}`, () => {
    const sheets = [
      { path: 'shell/shell.css', text: page },
      { path: 'theme/base.css', text: other },
    ];
    assert.equal(clashes(sheets).length, wrong ? 1 : 0);
  });
}
