/** Models of a worker's plans that could not be loaded, and further attempts to load them. */
import type { ModelFiles } from '../worker-files.ts';
import type { MissingModel } from '../worker-plans.ts';

/** Asks a worker to load models again, by their index in its plans. */
export interface LoadMissingMessage {
  readonly method: 'load-missing';
  readonly threads: number;
  readonly models: readonly { readonly model: number; readonly path: string }[];
}

/** How files are lent to the worker, and how it is called. */
export interface MissingModelsDeps {
  readonly lend: <T>(models: readonly ModelFiles[], use: (paths: readonly string[]) => Promise<T>) => Promise<T>;
  readonly call: (message: LoadMissingMessage) => Promise<unknown>;
}

interface RetriedFiles {
  /** By the position of the model; null for a damaged one. */
  readonly files: readonly (ModelFiles | null)[];
  readonly damaged: readonly MissingModel[];
}

/** What is missing is tried again on request only. */
export class MissingModels {
  readonly #deps: MissingModelsDeps;
  #files: readonly ModelFiles[] = [];
  #threads = 1;
  #found: readonly MissingModel[] = [];

  constructor(deps: MissingModelsDeps) {
    this.#deps = deps;
  }

  /** Plans that need them cannot run. */
  get found(): readonly MissingModel[] {
    return this.#found;
  }

  /** Models were loaded, without those that are missing. */
  loaded(files: readonly ModelFiles[], threads: number, missing: readonly MissingModel[] = []): void {
    [this.#files, this.#threads, this.#found] = [files, threads, missing];
  }

  /** Tries again to load what is missing, from these files, but for damaged models. The worker runs nothing meanwhile. */
  async retry({ files: now, damaged }: RetriedFiles): Promise<void> {
    this.#files = this.#files.map((file, model) => now[model] ?? file);
    const missing = this.#found.filter(({ model }) => damaged.every((each) => each.model !== model));
    if (missing.length === 0) return;
    const files = missing.map(({ model }) => this.#files[model] as ModelFiles);
    const left = await this.#deps.lend(files, (paths) => {
      const models = missing.map(({ model }, i) => ({ model, path: paths[i] as string }));
      return this.#deps.call({ method: 'load-missing', threads: this.#threads, models });
    });
    this.#found = withReasons(left as readonly MissingModel[], damaged);
  }
}

/** A model that was not lent is missing for the reason why it was not. */
export function withReasons(missing: readonly MissingModel[] | undefined, damaged: readonly MissingModel[]): readonly MissingModel[] {
  return (missing ?? []).map((each) => damaged.find(({ model }) => model === each.model) ?? each);
}
