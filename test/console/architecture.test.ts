/** The layers of the console: pages depend on the kit but not on each other, and only the route table knows all pages. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { consoleSource, isTest, sourceFiles } from '../source-files.ts';

/** Lower layers, from the bottom up. Every folder that is not listed here or in `topLayers` is a page. */
const baseLayers = ['theme', 'api', 'kit'];
const topLayers = ['shell', 'routes.tsx', 'main.tsx'];

const moduleOf = (path: string): string => path.split('/')[0] ?? '';

function violation(path: string, specifier: string): string | null {
  const layer = moduleOf(path);
  const target = posix.join(posix.dirname(path), specifier);
  if (target.startsWith('../')) {
    const isAllowed = target === '../../src/api/index.ts' || target === '../../src/fields/index.ts';
    return isAllowed ? null : 'only the API types and the settings of the server may be imported';
  }
  const other = moduleOf(target);
  if (other === layer) return null;
  if (baseLayers.includes(other)) {
    return baseLayers.includes(layer) && baseLayers.indexOf(other) > baseLayers.indexOf(layer)
      ? `${layer} is a lower layer than ${other}`
      : null;
  }
  if (topLayers.includes(layer)) return layer === 'shell' && !topLayers.includes(other) ? 'the shell must not import pages' : null;
  return `${layer} may import only ${baseLayers.join(', ')} and itself`;
}

function violations(files: readonly { readonly path: string; readonly text: string }[]): string[] {
  return files.flatMap(({ path, text }) => {
    const imports = [...text.matchAll(/(?:\bfrom |\bimport\(|^import )'(\.[^']+)'/gm)].map(([, specifier = '']) => specifier);
    return imports.flatMap((specifier) => {
      const found = violation(path, specifier);
      return found === null ? [] : [`${path} imports ${specifier}: ${found}`];
    });
  });
}

test('pages import the kit and their own files, not other pages', () => {
  assert.deepEqual(violations(sourceFiles(consoleSource).filter(({ path }) => !isTest(path))), []);
});

for (const { path, text, wrong } of [
  { path: 'serving/try-page.tsx', text: "import { Page } from '../kit/page.tsx';", wrong: false },
  { path: 'serving/try-page.tsx', text: "import type { A } from '../../../src/api/index.ts';", wrong: false },
  { path: 'serving/try-page.tsx', text: "import type { A } from '../../../src/serving/index.ts';", wrong: true },
  { path: 'serving/try-page.tsx', text: "import { A } from '../deployment/plan.tsx';", wrong: true },
  { path: 'api/client.ts', text: "import { A } from '../kit/page.tsx';", wrong: true },
  { path: 'kit/page/loaded.tsx', text: "import { A } from '../api/client.ts';", wrong: false },
  { path: 'shell/shell.tsx', text: "import { A } from '../serving/try-page.tsx';", wrong: true },
  { path: 'routes.tsx', text: "const a = () => import('./serving/try-page.tsx');", wrong: false },
]) {
  test(`self-check: ${text} in ${path} ${wrong ? 'is rejected' : 'is accepted'}`, () => {
    assert.equal(violations([{ path, text }]).length, wrong ? 1 : 0);
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

/** Classes at the start of a page's or the shell's selectors that another stylesheet also uses. The one loaded last would win. */
function clashes(sheets: readonly Stylesheet[]): string[] {
  return sheets
    .filter(({ path }) => !baseLayers.includes(moduleOf(path)))
    .flatMap((own) => {
      const begun = new Set(selectorsOf(own).flatMap((selector) => classesIn(/^[^\s>+~]*/.exec(selector)?.[0] ?? '').slice(0, 1)));
      return sheets
        .filter((other) => other !== own)
        .flatMap((other) => {
          const reported = new Set(selectorsOf(other).flatMap(classesIn));
          return [...begun].filter((name) => reported.has(name)).map((name) => `.${name} of ${own.path} is also in ${other.path}`);
        });
    });
}

test('classes of pages and of the shell appear in no other stylesheet', () => {
  const paths = readdirSync(consoleSource, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.css'));
  assert(paths.length > 5);
  assert.deepEqual(clashes(paths.map((path) => ({ path, text: readFileSync(new URL(path, consoleSource), 'utf8') }))), []);
});

for (const { when, page, other, wrong } of [
  { when: 'the shell styles .top and the base .grid.top', page: '.top { height: 1px; }', other: '.grid.top { gap: 0; }', wrong: true },
  { when: 'a page styles a card within its own class', page: '.plan > .card { gap: 0; }', other: '.card { gap: 1px; }', wrong: false },
  { when: 'only a comment contains the class', page: '.top { height: 1px; }', other: '/* .top {} */ .card { gap: 0.5em; }', wrong: false },
]) {
  test(`self-check: ${when}: ${wrong ? 'rejected' : 'accepted'}`, () => {
    const sheets = [
      { path: 'shell/shell.css', text: page },
      { path: 'theme/base.css', text: other },
    ];
    assert.equal(clashes(sheets).length, wrong ? 1 : 0);
  });
}
