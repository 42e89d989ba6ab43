import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemClock } from '../clock.ts';
import type { CliContext } from './cli-context.ts';
import { makeProgram } from './program.ts';
import { verbTable } from './verb-table.ts';

const output = { write: () => true };
const context: CliContext = {
  stdout: output,
  stderr: output,
  stdin: (async function* () {})(),
  env: {},
  clock: new SystemClock(),
  version: '0.1.0',
  interrupted: new AbortController().signal,
  up: () => Promise.resolve(0),
  quickstart: () => Promise.resolve(0),
};

test('the help of the program is the same, whether or not the verbs are loaded', async () => {
  const rows = Object.values(verbTable).flat();
  const loaded = await makeProgram(context, 'all');
  assert.equal((await makeProgram(context, [])).helpInformation(), loaded.helpInformation());
  assert.deepEqual(
    loaded.commands.map((command) => [command.name(), command.summary()]),
    rows.map(({ usage, summary }) => [usage.split(' ')[0], summary]),
  );
});

test('loads the verbs that the command line names, and no others', async () => {
  const program = await makeProgram(context, ['--', 'status', 'digits']);
  const loaded = program.commands.filter(({ options }) => options.length > 0).map((command) => command.name());
  assert.deepEqual(loaded, ['status']);
});
