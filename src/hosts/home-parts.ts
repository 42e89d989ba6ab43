/** What the home does on its own machine only: borrowed workers, Python environments, foreign code. */
import type { BorrowOptions, LocalProvider, WorkerLimits } from '../providers/index.ts';
import type { WorkerLink } from '../runtime/index.ts';

export class HomeParts {
  readonly #local: Pick<LocalProvider, keyof LocalProvider>;

  constructor(local: Pick<LocalProvider, keyof LocalProvider>) {
    this.#local = local;
  }

  get limits(): WorkerLimits {
    return this.#local.limits;
  }

  get isolation(): LocalProvider['isolation'] {
    return this.#local.isolation;
  }

  hasForeignUsers(): boolean {
    return this.#local.hasForeignUsers();
  }

  isForeignUid(uid: number): boolean {
    return this.#local.isForeignUid(uid);
  }

  isForeignCodeUnconfined(): boolean {
    return this.#local.isForeignCodeUnconfined();
  }

  countUnconfined(): () => void {
    return this.#local.countUnconfined();
  }

  limitMemory(pid: number, bytesMax: number): ReturnType<LocalProvider['limitMemory']> {
    return this.#local.limitMemory(pid, bytesMax);
  }

  forkServers(): ReturnType<LocalProvider['forkServers']> {
    return this.#local.forkServers();
  }

  onPythonStart(listener: Parameters<LocalProvider['onPythonStart']>[0]): void {
    this.#local.onPythonStart(listener);
  }

  borrow<T>(use: (link: WorkerLink) => Promise<T>, options?: BorrowOptions): Promise<T> {
    return this.#local.borrow(use, options);
  }
}
