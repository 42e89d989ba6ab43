/** Which groups a server has made, noted where the next server looks: one that is killed cannot remove them. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class CgroupNotes {
  readonly #path: string;
  readonly #folders: Set<string>;

  /** `stateDirectory` is the server's own. */
  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, 'cgroups');
    this.#folders = new Set(noted(this.#path));
  }

  list(): readonly string[] {
    return [...this.#folders];
  }

  remember(folder: string): void {
    this.#folders.add(folder);
    this.#write();
  }

  forget(folder: string): void {
    if (this.#folders.delete(folder)) this.#write();
  }

  #write(): void {
    const part = `${this.#path}.part`;
    try {
      writeFileSync(part, [...this.#folders].map((folder) => `${folder}\n`).join(''), { mode: 0o600 });
      renameSync(part, this.#path);
    } catch {
      // A full disk: an empty group may outlast a kill, which costs nothing.
    }
  }
}

/** Only folders that bear our name: the file might have been written by somebody else. */
function noted(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /^\/.*\/penstock-[\w-]+$/.test(line));
  } catch {
    return [];
  }
}
