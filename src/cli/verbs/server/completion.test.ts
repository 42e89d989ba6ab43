/** The completion scripts, asked in the shells that this machine has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runVerb } from '../../../../test/cli-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'penstock-completion-'));
after(() => rmSync(folder, { recursive: true }));

/** Answers as `penstock endpoints --output json` does. */
const endpoints = JSON.stringify([{ name: 'digits', variants: [{ name: 'AllTraffic' }] }, { name: 'iris' }], null, 2);
writeFileSync(join(folder, 'penstock'), `#!/bin/sh\ncat <<'END'\n${endpoints}\nEND\n`, { mode: 0o755 });

/** The words offered after a command line by the shell's own completion, or by the function that the script defines. */
const shells = {
  bash: (line: string) => `source ${folder}/script
    read -ra COMP_WORDS <<< ${quoted(line)}; [[ ${quoted(line)} == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _penstock; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // The real completion needs a terminal, so its builtins are replaced by ones that print.
  zsh: (line: string) => `compdef() { :; }; compadd() { shift; print -l -- "$@"; }; _files() { :; }
    _describe() { while [[ $1 == -* ]]; do shift; done; print -l -- "\${(P@)2}"; }
    line=${quoted(`${line}.`)}; words=(\${(s: :)line}); words[-1]=\${words[-1]%.}; CURRENT=\${#words}
    source ${folder}/script; _penstock`,
  fish: (line: string) => `source ${folder}/script; complete -C ${quoted(line)}`,
} as const;

function quoted(text: string): string {
  return `'${text}'`;
}

for (const [shell, asking] of Object.entries(shells)) {
  const isMissing = spawnSync(shell, ['-c', 'true']).error !== undefined;
  test(`completes verbs, subverbs, options, their values and endpoints in ${shell}`, {
    skip: isMissing && `this machine has no ${shell}`,
  }, async () => {
    writeFileSync(join(folder, 'script'), (await runVerb(['completion', shell], {})).stdout);
    const offered = (line: string): string[] => {
      const env = { PATH: `${folder}:${process.env['PATH']}`, HOME: folder };
      const { stdout, stderr, status } = spawnSync(shell, ['-c', asking(line)], { encoding: 'utf8', env, cwd: folder });
      assert.deepEqual([stderr, status === 0 || shell === 'bash'], ['', true], line);
      const begun = line.split(' ').at(-1) ?? '';
      const words = stdout.split('\n').map((each) => each.split(/[\t:]/)[0] ?? '');
      return words.filter((word) => word !== '' && word.startsWith(begun)).toSorted();
    };
    assert.deepEqual(offered('penstock de'), ['decisions', 'delete', 'deploy', 'describe']);
    assert.deepEqual(offered('penstock keys '), ['create', 'list', 'revoke']);
    assert.deepEqual(offered('penstock deploy model.onnx digits --sc'), ['--scaling', '--scaling-budget']);
    assert.deepEqual(offered('penstock keys create --role ap'), ['approver']);
    assert.deepEqual(offered('penstock deploy x --late '), ['serve', 'shed']);
    assert.deepEqual(offered('penstock describe '), ['digits', 'iris']);
    assert.deepEqual(offered('penstock logs d'), ['digits']);
    assert.deepEqual(offered('penstock completion '), ['bash', 'fish', 'zsh']);
    assert(offered('penstock up --').includes('--data-dir'));
  });
}

test('an unknown shell is rejected with those there are', async () => {
  const { code, stderr } = await runVerb(['completion', 'tcsh'], {});
  assert.equal(code, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish/);
});
