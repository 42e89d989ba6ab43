/** What a step of `migrations.ts` is. */
import type { Migration } from 'kysely/migration';

/** A step of `migrations.ts`. */
export interface Step extends Migration {
  /**
   * The step leaves programs working that know this earlier step (its number) and not this one. A table or a column that may be absent in an
   * insert can say so; what removes or changes something that such a program uses cannot. Without it, a program must know the step itself.
   */
  readonly beside?: number;
}

/** The steps of one purpose by name, in order. */
export type Steps = Readonly<Record<string, Step>>;
