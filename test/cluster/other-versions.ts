/** Programs of other versions than this one: of an earlier commit, or copies of this tree with a change. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A text of a file, and what takes its place. */
export interface Change {
  readonly file: string;
  readonly from: string | RegExp;
  readonly to: string;
}

export class OtherVersions {
  readonly #folder = mkdtempSync(join(tmpdir(), 'penstock-versions-'));

  /** The path of `penstock` of that commit; null if this clone does not have it. */
  ofCommit(commit: string): string | null {
    try {
      execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root, stdio: 'ignore' });
    } catch {
      return null;
    }
    return this.#unpack(commit, execFileSync('git', ['archive', commit], { cwd: root, maxBuffer: 2 ** 30 }));
  }

  /** The path of `penstock` of a copy of this tree. */
  changed(name: string, changes: readonly Change[]): string {
    const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'], { cwd: root });
    const program = this.#unpack(name, execFileSync('tar', ['-c', '--null', '-T', '-'], { cwd: root, input: files, maxBuffer: 2 ** 30 }));
    for (const { file, from, to } of changes) {
      const path = join(this.#folder, name, file);
      const text = readFileSync(path, 'utf8');
      const next = text.replace(from, to);
      assert.notEqual(next, text, `${file} has no ${String(from)}`);
      writeFileSync(path, next);
    }
    return program;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #unpack(name: string, archive: Buffer): string {
    const folder = join(this.#folder, name);
    execFileSync('mkdir', [folder]);
    execFileSync('tar', ['-x', '-C', folder], { input: archive });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    return join(folder, 'bin', 'penstock');
  }
}
