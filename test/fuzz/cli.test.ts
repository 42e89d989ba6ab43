/** Runs every verb with invalid values for each of its options and arguments: one sentence, exit code 1 or 2, and nothing is lost. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Command, Option } from 'commander';
import type { CliContext } from '../../src/cli/cli-context.ts';
import { makeProgram } from '../../src/cli/program.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { SystemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { fuzz, smallerLists } from './campaign.ts';
import type { FuzzRandom } from './fuzz-random.ts';
import { WatchedServer } from './watched-server.ts';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const folder = mkdtempSync(join(tmpdir(), 'penstock-fuzz-'));
const binaryFile = join(folder, 'binary');
const emptyFile = join(folder, 'empty');
writeFileSync(binaryFile, Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256)));
writeFileSync(emptyFile, '');
mkdirSync(join(folder, 'data'));

/** Invalid for any option except free text and names. */
const garbage: readonly string[] = [
  '',
  ' ',
  'garbage!',
  '-1',
  '1e999',
  'NaN',
  '99999999999999999999',
  '=',
  'a=b=c',
  '../missing/passwd',
  join(folder, 'missing'),
  folder,
  binaryFile,
  emptyFile,
  '😀'.repeat(50),
  'x'.repeat(5000),
];

/** Verbs that run until they are interrupted, or measure for long, are interrupted after this. */
const patienceMs = 1500;
const runMsMax = 120_000;

let watched: WatchedServer;
let stateBefore: string;

before(async () => {
  // Relative paths in the garbage resolve to this folder.
  process.chdir(folder);
  watched = await WatchedServer.start();
  await watched.server.deploy('digits', 'digits_mlp');
  stateBefore = await state();
});

after(async () => {
  try {
    assert.equal(await state(), stateBefore, 'an existing resource was changed or deleted');
  } finally {
    await watched.end();
    process.chdir(tmpdir());
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The state that invalid options must not change. */
async function state(): Promise<string> {
  const endpoint = await watched.server.endpoint('digits');
  const versions = await watched.server.callWell<{ items: { name: string; approval: string }[] }>('GET', '/groups/digits/versions');
  return JSON.stringify([
    endpoint.name,
    endpoint.generation,
    endpoint.status,
    versions.items.map(({ name, approval }) => [name, approval]),
  ]);
}

class Started extends Error {}

function contextOf(out: (text: string) => void, error: (text: string) => void, interrupted: AbortSignal): CliContext {
  // Starting a server is out of scope here, only its settings are tested.
  const start = async ({ flags }: { readonly flags: Readonly<Record<string, string>> }): Promise<number> => {
    loadConfig({ flags: { dataDir: join(folder, 'data'), ...flags }, env: {} });
    throw new Started('would start');
  };
  return {
    stdout: { write: out },
    stderr: { write: error },
    stdin: (async function* () {})(),
    env: { PENSTOCK_URL: watched?.url ?? '' },
    clock: new SystemClock(),
    version: '1.2.3',
    interrupted,
    up: start,
    quickstart: start,
  };
}

async function run(argv: readonly string[]): Promise<Ran> {
  let [stdout, stderr] = ['', ''];
  const interruption = new AbortController();
  const interrupt = setTimeout(() => interruption.abort(), patienceMs);
  let giveUp: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    giveUp = setTimeout(
      () =>
        reject(new Error(`it still runs after ${runMsMax} ms although it was interrupted: ${stdout.slice(0, 500)}${stderr.slice(0, 500)}`)),
      runMsMax,
    );
  });
  const context = contextOf(
    (text) => (stdout += text),
    (text) => (stderr += text),
    interruption.signal,
  );
  try {
    const code = await Promise.race([runCli(argv, context), late]);
    return { code: stderr.includes('would start') ? 0 : code, stdout, stderr };
  } finally {
    clearTimeout(interrupt);
    clearTimeout(giveUp);
  }
}

/** Throws unless the tool exited properly. */
function assertEnded(argv: readonly string[], { code, stderr }: Ran): void {
  assert([0, 1, 2].includes(code), `exit code ${code}`);
  assert.doesNotMatch(
    stderr,
    /\n\s+at |node:internal|\bundefined\b|\[object |TypeError|RangeError|Cannot read|is not a function|ERR_[A-Z_]+/,
    'stderr reveals internals',
  );
  watched.assertWell();
  if (code === 0) return;
  const lines = stderr.split('\n').filter((line) => line.startsWith('penstock: '));
  assert.equal(lines.length, 1, `expected one error line, got ${JSON.stringify(stderr.slice(0, 1000))}`);
  assert((lines[0]?.length ?? 0) < 12_000, 'the error message is too long');
  assert(stderr.endsWith(`${lines[0]}\n`), `the error is not the last line: ${JSON.stringify(stderr.slice(0, 1000))} of ${argv.join(' ')}`);
}

interface Verb {
  readonly path: readonly string[];
  readonly command: Command;
}

function leaves(command: Command, path: readonly string[] = []): Verb[] {
  const inner = command.commands.filter((each) => each.name() !== 'help');
  return inner.length === 0 ? [{ path, command }] : inner.flatMap((each) => leaves(each, [...path, each.name()]));
}

/** They write to any path they are given, so they get no random ones. */
const writing: readonly string[] = ['backup', 'restore'];

const verbs = leaves(
  await makeProgram(
    contextOf(
      () => undefined,
      () => undefined,
      new AbortController().signal,
    ),
    'all',
  ),
).filter(({ path }) => !writing.includes(path.join(' ')));

/** Verbs that change or delete something get names that do not exist. */
const harmful = [
  'approve',
  'reject',
  'rollback',
  'unload',
  'load',
  'delete',
  'keys revoke',
  'async retry',
  'async cancel',
  'baseline',
  'labels',
];

function argumentsFor({ path, command }: Verb): string[] {
  const name = path.join(' ');
  return command.registeredArguments.map((argument) => {
    const what = argument.name();
    if (harmful.includes(name)) return what.includes('version') ? 'nothing/1' : 'nothing';
    if (what === 'model') return name === 'register' ? binaryFile : 'digits/1';
    if (what === 'group') return 'fuzz';
    if (what === 'url') return 'http://127.0.0.1:1';
    return name === 'deploy' ? 'fuzzed' : 'digits';
  });
}

/** Without these the other options would not be evaluated. */
function mandatoryFor({ command }: Verb, but: Option): string[] {
  const values: Readonly<Record<string, string>> = { '--role': 'viewer', '--pattern': '{}', '--event': '{}', '--file': binaryFile };
  return command.options
    .filter((option) => option.mandatory && option !== but)
    .flatMap(({ long }) => [long ?? '', values[long ?? ''] ?? 'x']);
}

interface OptionCase {
  readonly verb: Verb;
  readonly option: Option;
}

const options: readonly OptionCase[] = verbs.flatMap((verb) =>
  verb.command.options.filter(({ required, optional }) => required || optional).map((option) => ({ verb, option })),
);

/** Options that accept any text: descriptions, search terms, request bodies, and folders to create or read. */
const freeText: readonly string[] = [
  '--request',
  '--description',
  '--note',
  '--label',
  '--data',
  '--file',
  '--endpoint',
  '--variant',
  '--who',
  '--action',
  '--target',
  '--filter',
  '--namespace',
  '--kind',
  '--log',
];
const takesFolder: readonly string[] = ['up', 'quickstart', 'doctor', 'verify', 'trash'];

describe('an invalid value', () => {
  test('of any option is rejected with one sentence and never accepted', async () => {
    await fuzz<readonly string[]>({
      name: 'cli-options',
      cases: options.length,
      concurrency: 2,
      generate: (random) => {
        const { verb, option } = random.pick(options);
        return [...verb.path, ...argumentsFor(verb), ...mandatoryFor(verb, option), `${option.long}=${random.pick(garbage)}`];
      },
      check: async (argv) => {
        const ran = await run(argv);
        assertEnded(argv, ran);
        const [long = ''] = (argv.at(-1) ?? '').split('=', 1);
        const isFolder = long === '--data-dir' && takesFolder.includes(argv[0] ?? '');
        assert(ran.code !== 0 || isFolder || freeText.includes(long), `accepted: ${ran.stdout.slice(0, 500)}`);
      },
      show: (argv) => argv.join(' '),
    });
  });

  test('of any argument is rejected with one sentence', async () => {
    const withArguments = verbs.filter(({ command }) => command.registeredArguments.length > 0);
    await fuzz<readonly string[]>({
      name: 'cli-arguments',
      cases: withArguments.length,
      concurrency: 2,
      generate: (random) => {
        const verb = random.pick(withArguments);
        const args = argumentsFor(verb);
        args[random.int(0, args.length - 1)] = random.pick(garbage);
        return [...verb.path, ...args];
      },
      check: async (argv) => assertEnded(argv, await run(argv)),
      show: (argv) => argv.join(' '),
    });
  });
});

describe('a shuffled command line', () => {
  test('ends with one sentence, or does what it says', async () => {
    await fuzz<readonly string[]>({
      name: 'cli-shuffled',
      cases: 100,
      concurrency: 2,
      generate: shuffled,
      check: async (argv) => assertEnded(argv, await run(argv)),
      smaller: smallerLists,
      show: (argv) => argv.join(' '),
    });
  });
});

function shuffled(random: FuzzRandom): readonly string[] {
  const verb = random.pick(verbs);
  const words = [...verb.path, ...argumentsFor(verb)];
  for (let i = random.int(1, 4); i > 0; i--) {
    const word = random.pick([
      () => random.pick(options).option.long ?? '--output',
      () => random.pick(garbage),
      () =>
        random.pick(['--', '-', '--help', '-h', '--version', '--output=json', '--output', '--nothing', '--no-wait', '-x', '--=', 'help']),
    ])();
    words.splice(random.int(0, words.length), 0, word);
  }
  if (random.chance(0.2)) words.splice(random.int(0, words.length - 1), 1);
  return words;
}
