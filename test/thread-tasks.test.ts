/**
 * A thread loads the module of its first task while the caller waits. A module that imports half of the server takes a second for that, and
 * tens of megabytes for each thread.
 */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { isTest, sourceFiles } from './source-files.ts';

const modulesMax = 80;

const texts = new Map(sourceFiles().map(({ path, text }) => [path, text]));

/** The modules that are loaded with this one. Imports of types are not loaded. */
function loadedWith(path: string, into = new Set<string>()): ReadonlySet<string> {
  if (into.has(path)) return into;
  into.add(path);
  for (const [, specifier = ''] of (texts.get(path) ?? '').matchAll(/^(?:import|export)(?! type)\b[^;'"]*?from '(\.[^']+)'/gm))
    loadedWith(posix.join(posix.dirname(path), specifier), into);
  return into;
}

const tasks = [...texts].filter(([path, text]) => !isTest(path) && /\b(?:thread|body)Task(?:<[^>]*>)?\(\s*import\.meta\.url/.test(text));

test('tasks of threads are found', () => assert(tasks.length > 10, `${tasks.length}`));

for (const [path] of tasks) {
  test(`${path} imports little, because threads load it`, () => {
    const { size } = loadedWith(path);
    assert(
      size <= modulesMax,
      `it loads ${size} modules, expected at most ${modulesMax}: import the files that the task needs, not whole modules`,
    );
  });
}
