/** Records the groups that a server created, so the next server can remove those of a killed one. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Replaced as a whole at each change, so a kill leaves the previous or the new list. */
export class CgroupRecord {
  readonly #path: string;
  readonly #folders: Set<string>;

  /** `stateDirectory` belongs to this server alone. */
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

  discard(folder: string): void {
    if (this.#folders.delete(folder)) this.#write();
  }

  #write(): void {
    const part = `${this.#path}.part`;
    try {
      writeFileSync(part, [...this.#folders].map((folder) => `${folder}\n`).join(''), { mode: 0o600 });
      renameSync(part, this.#path);
    } catch {
      // The disk is full: an empty group may outlive a kill, at no cost.
    }
  }
}

/** Only folders with our name: another program could have written the file. */
function noted(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /^\/.*\/penstock-[\w-]+$/.test(line));
  } catch {
    return [];
  }
}
